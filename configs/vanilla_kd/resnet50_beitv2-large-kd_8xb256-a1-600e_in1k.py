# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 3, A1,
#          600 epochs, vanilla KD, BEiTv2-L teacher; Table 4, 600 epochs, hard label BCE, soft label KL; Table 9,
#          vanilla KD, BEiTv2-L, 600 epochs
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_beitv2-large-kd_8xb256-a1-600e_in1k.py 8
# Figure:  81.68 top1, 86.92 IN-Real, 69.80 IN-V2 (Table 3); 81.68 top1 (Table 4, Table 9)
# Differs: the temperature is that of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_8xb256-a1-600e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/resnet50_8xb256-a1-600e_in1k.py'),
    teacher=dict(config='_base_/models/beitv2-large.py', checkpoint='beitv2-large_in21k-pre-in1k'),
    task_weight=0.5,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=0.5)))
