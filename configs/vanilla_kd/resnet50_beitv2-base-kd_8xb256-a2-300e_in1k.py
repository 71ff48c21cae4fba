# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 8, Res50,
#          300 epochs; Table 9, vanilla KD, BEiTv2-B, 300 epochs
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_beitv2-base-kd_8xb256-a2-300e_in1k.py 8
# Figure:  80.96 top1
# Differs: Sec. 3.6 says strategy A1 here too; but Table 9 has the same figure beside those of Table 3, which are of A2
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_8xb256-a2-300e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/resnet50_8xb256-a2-300e_in1k.py'),
    teacher=dict(config='_base_/models/beitv2-base.py', checkpoint='beitv2-base_in21k-pre-in1k'),
    task_weight=0.5,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=0.5)))
