# MobileNetV3-Large in procedure A1 of ResNet strikes back, arXiv 2110.00476; without its stochastic depth
_base_ = '../../../_base_/models/mobilenet-v3-large.py'
model = dict(
    head=dict(loss=dict(
        _delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1, mode='original', use_sigmoid=True)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2), dict(type='CutMix', alpha=1.0)]))
