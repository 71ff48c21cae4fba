# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 3, A2,
#          300 epochs, DIST, BEiTv2-L teacher; Table 5, LR 5e-3, WD 0.03, DIST; Table 9, DIST, BEiTv2-L, 300 epochs
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_beitv2-large-dist_8xb256-a2-300e_in1k.py 8
# Figure:  80.70 top1, 86.06 IN-Real, 69.35 IN-V2 (Table 3); 80.79 top1 (Table 5); 80.70 top1 (Table 9)
# Differs: the weights within the loss are those of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_8xb256-a2-300e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/resnet50_8xb256-a2-300e_in1k.py'),
    teacher=dict(config='_base_/models/beitv2-large.py', checkpoint='beitv2-large_in21k-pre-in1k'),
    task_weight=0.5,
    terms=dict(dist=dict(loss=dict(type='mmkd.DISTLoss', beta=1.0, gamma=1.0, temperature=1.0),
                         student='logits', teacher='logits', weight=0.5)))
