# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 9, DKD, BEiTv2-B,
#          300 epochs
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_beitv2-base-dkd_8xb256-a2-300e_in1k.py 8
# Figure:  80.76 top1
# Differs: temperature, alpha and beta are those of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_8xb256-a2-300e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/resnet50_8xb256-a2-300e_in1k.py'),
    teacher=dict(config='_base_/models/beitv2-base.py', checkpoint='beitv2-base_in21k-pre-in1k'),
    task_weight=0.5,
    terms=dict(dkd=dict(loss=dict(type='mmkd.DKDLoss', alpha=1.0, beta=2.0, temperature=1.0),
                        student='logits', teacher='logits', weight=0.5)))
