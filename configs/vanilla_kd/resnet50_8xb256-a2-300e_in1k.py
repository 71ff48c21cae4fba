# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 3, A2, Res50
#          without a teacher; Table 6, Res50 without a teacher
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_8xb256-a2-300e_in1k.py 8
# Figure:  79.80 top1 (Table 3); 79.86 top1 (Table 6)
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['../_base_/models/resnet50.py', './_base_/strategies/a2.py']

model = dict(
    backbone=dict(drop_path_rate=0.05),
    head=dict(loss=dict(use_sigmoid=True, loss_weight=1e-3)),  # a mean over the 1000 classes
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.1), dict(type='CutMix', alpha=1.0)]))
