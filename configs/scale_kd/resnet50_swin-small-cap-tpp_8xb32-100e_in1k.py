# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 9 (a), Table 9 (d) and Table 15 (b), Swin-S to ResNet-50, CAP and TPP
# Command: bash tools/dist_train.sh configs/scale_kd/resnet50_swin-small-cap-tpp_8xb32-100e_in1k.py 8
# Figure:  78.62 top1
# Status:  not run here; needs 8 GPUs with 16 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/strategies/scalekd-features.py', '_base_/schedules/traditional_100e.py']

model = dict(
    student=dict(config='scale_kd/resnet50_8xb32-100e_in1k.py'),
    teacher=dict(config='_base_/models/swin-small.py', checkpoint='swin-small_in1k'),
    terms=dict(scalekd=dict(loss=dict(dfm=False, num_heads=[3, 6]))))
