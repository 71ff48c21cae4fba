# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 9 (c), Swin-S to ResNet-50, two CAPs on the same map
# Command: bash tools/dist_train.sh configs/scale_kd/resnet50_swin-small-dual-cap_8xb32-100e_in1k.py 8
# Figure:  78.12 top1
# Differs: the two paths share alpha as the views of DFM do: 0.6 and 0.4 of it
# Status:  not run here; needs 8 GPUs with 16 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/strategies/projector.py', '_base_/schedules/traditional_100e.py']

model = dict(
    student=dict(config='scale_kd/resnet50_8xb32-100e_in1k.py'),
    teacher=dict(config='_base_/models/swin-small.py', checkpoint='swin-small_in1k'),
    terms=dict(
        scalekd=dict(loss=dict(num_heads=6), weight=0.084),
        second=dict(
            loss=dict(type='mmkd.ScaleKDLoss', dfm=False, tpp=False, num_heads=6),
            student='stage4', teacher='stage4', weight=0.056)))
