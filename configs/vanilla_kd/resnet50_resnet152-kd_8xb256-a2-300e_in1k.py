# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 3, A2,
#          300 epochs, vanilla KD, Res152 teacher
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_resnet152-kd_8xb256-a2-300e_in1k.py 8
# Figure:  80.55 top1, 86.23 IN-Real, 69.03 IN-V2
# Differs: the temperature is that of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_8xb256-a2-300e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/resnet50_8xb256-a2-300e_in1k.py'),
    teacher=dict(config='_base_/models/resnet152.py', checkpoint='resnet152-a1h_in1k'),
    task_weight=0.5,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=0.5)))
