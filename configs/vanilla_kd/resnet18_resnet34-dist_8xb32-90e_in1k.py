# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 1, (a), Res34 -
#          Res18, DIST, previous recipe
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet18_resnet34-dist_8xb32-90e_in1k.py 8
# Figure:  72.07 top1
# Differs: the weights are those of DIST's paper
# Status:  not run here; needs 8 GPUs with 11 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet18_8xb32-90e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/resnet18_8xb32-90e_in1k.py'),
    teacher=dict(config='_base_/models/resnet34.py', checkpoint='resnet34-torchvision_in1k'),
    task_weight=1.0,
    terms=dict(dist=dict(loss=dict(type='mmkd.DISTLoss', beta=1.0, gamma=1.0, temperature=1.0),
                         student='logits', teacher='logits', weight=2.0)))
