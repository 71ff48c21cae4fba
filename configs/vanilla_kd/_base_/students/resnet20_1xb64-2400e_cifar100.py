# Res20 of Table 1b, stronger recipe
_base_ = ['../../../_base_/models/resnet20_cifar.py', '../strategies/cifar100-2400e.py']

model = dict(train_cfg=dict(augments=[dict(type='Mixup', alpha=0.1), dict(type='CutMix', alpha=1.0)]))
