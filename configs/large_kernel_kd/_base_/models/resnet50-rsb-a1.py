# ResNet-50 in procedure A1 of ResNet strikes back, arXiv 2110.00476
_base_ = '../../../_base_/models/resnet50.py'
model = dict(
    backbone=dict(drop_path_rate=0.05),
    head=dict(loss=dict(
        _delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1, mode='original', use_sigmoid=True)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2), dict(type='CutMix', alpha=1.0)]))
