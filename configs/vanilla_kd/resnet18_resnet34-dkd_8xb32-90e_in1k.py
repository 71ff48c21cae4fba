# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 1, (a), Res34 -
#          Res18, DKD, previous recipe
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet18_resnet34-dkd_8xb32-90e_in1k.py 8
# Figure:  71.70 top1
# Differs: the weights are those of DKD's code
# Status:  not run here; needs 8 GPUs with 11 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet18_8xb32-90e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/resnet18_8xb32-90e_in1k.py'),
    teacher=dict(config='_base_/models/resnet34.py', checkpoint='resnet34-torchvision_in1k'),
    task_weight=1.0,
    terms=dict(dkd=dict(loss=dict(type='mmkd.DKDLoss', alpha=1.0, beta=0.5, temperature=1.0),
                        student='logits', teacher='logits', weight=1.0)))
