# The teacher: a SLaK of three stages with 51×51 kernels, for images of 28×28.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmkd.SLaK',
        arch=dict(depths=[1, 2, 1], channels=[32, 64, 128]),
        width_factor=1.0,
        kernel_sizes=(51, 49, 47),
        stem_patch_size=2,
        layer_scale_init_value=1.0,
        init_cfg=dict(type='Kaiming', layer=['Conv2d', 'Linear'], mode='fan_in', nonlinearity='linear')),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=128, loss=dict(type='CrossEntropyLoss')))
