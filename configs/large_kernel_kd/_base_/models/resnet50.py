# ResNet-50 as a student: label smoothing, mixup and cutmix, no stochastic depth
_base_ = '../../../_base_/models/resnet50.py'
model = dict(
    backbone=dict(drop_path_rate=0.0),
    head=dict(loss=dict(_delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)]))
