# ConvNeSt-T of Sec. 2: expansion ratio 12 with the blocks of Table 2, before the modifications of Sec. 2.5
_base_ = '../../../_base_/models/convnest-tiny.py'

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, depths=[3, 3, 8, 3], channels=[56, 112, 224, 448]),
        expansion_ratio=12,
        scale='layer_scale',
        shortcut='single'),
    head=dict(in_channels=448))
