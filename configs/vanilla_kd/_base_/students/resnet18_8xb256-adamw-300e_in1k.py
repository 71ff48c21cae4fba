# Res18 of Table 1a, stronger recipe
_base_ = ['../../../_base_/models/resnet18.py', '../strategies/adamw.py']

model = dict(
    head=dict(loss=dict(
        _delete_=True, type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1e-3)),  # a mean over the 1000 classes
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.1), dict(type='CutMix', alpha=1.0)]))
