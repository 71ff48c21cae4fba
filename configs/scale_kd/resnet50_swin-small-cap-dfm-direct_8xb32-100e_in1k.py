# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 17, Swin-S to ResNet-50, CAP and DFM with the direct component alone in the first view
# Command: bash tools/dist_train.sh configs/scale_kd/resnet50_swin-small-cap-dfm-direct_8xb32-100e_in1k.py 8
# Figure:  78.23 top1
# Status:  not run here; needs 8 GPUs with 16 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/strategies/projector.py', '_base_/schedules/traditional_100e.py']

model = dict(
    student=dict(config='scale_kd/resnet50_8xb32-100e_in1k.py'),
    teacher=dict(config='_base_/models/swin-small.py', checkpoint='swin-small_in1k'),
    terms=dict(scalekd=dict(loss=dict(dfm=True, first_view='direct', beta=0.6, num_heads=6))))
