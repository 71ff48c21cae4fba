# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 1, (a), Res50 -
#          MBNetV2, DIST, previous recipe
# Command: bash tools/dist_train.sh configs/vanilla_kd/mobilenet-v2_resnet50-dist_8xb32-90e_in1k.py 8
# Figure:  73.24 top1
# Differs: the weights are those of DIST's paper; the previous figures are those that DKD and DIST print for MobileNetV1
# Status:  not run here; needs 8 GPUs with 11 GB or more and ImageNet-1K in data/imagenet
_base_ = './mobilenet-v2_8xb32-90e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/mobilenet-v2_8xb32-90e_in1k.py'),
    teacher=dict(config='_base_/models/resnet50.py', checkpoint='resnet50-torchvision_in1k'),
    task_weight=1.0,
    terms=dict(dist=dict(loss=dict(type='mmkd.DISTLoss', beta=1.0, gamma=1.0, temperature=1.0),
                         student='logits', teacher='logits', weight=2.0)))
