# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 3, A1, Res50
#          without a teacher
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_8xb256-a1-600e_in1k.py 8
# Figure:  80.38 top1
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['../_base_/models/resnet50.py', './_base_/strategies/a1.py']

model = dict(
    backbone=dict(drop_path_rate=0.05),
    head=dict(loss=dict(
        _delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1, mode='original', use_sigmoid=True,
        loss_weight=1e-3)),  # a mean over the 1000 classes
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2), dict(type='CutMix', alpha=1.0)]))
