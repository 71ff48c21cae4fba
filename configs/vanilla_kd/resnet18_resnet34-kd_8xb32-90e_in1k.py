# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 1, (a), Res34 -
#          Res18, vanilla KD, previous recipe
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet18_resnet34-kd_8xb32-90e_in1k.py 8
# Figure:  70.66 top1
# Differs: the weights are those of DKD's code for this baseline
# Status:  not run here; needs 8 GPUs with 11 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet18_8xb32-90e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/resnet18_8xb32-90e_in1k.py'),
    teacher=dict(config='_base_/models/resnet34.py', checkpoint='resnet34-torchvision_in1k'),
    task_weight=0.5,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=0.5)))
