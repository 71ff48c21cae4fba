# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 15 (a), Swin-L to ResNet-50, FD
# Command: bash tools/dist_train.sh configs/scale_kd/resnet50_swin-large-fd_8xb32-100e_in1k.py 8
# Figure:  77.72 top1
# Status:  not run here; needs 8 GPUs with 16 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/strategies/projector.py', '_base_/schedules/traditional_100e.py']

model = dict(
    student=dict(config='scale_kd/resnet50_8xb32-100e_in1k.py'),
    teacher=dict(config='_base_/models/swin-large.py', checkpoint='swin-large_in21k-pre-in1k'),
    terms=dict(scalekd=dict(loss=dict(projector='linear'))))
