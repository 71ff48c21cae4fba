# The student: a ConvNeSt of three stages with one block each, for images of 28×28.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmkd.ConvNeSt',
        arch=dict(depths=[1, 1, 1], channels=[8, 16, 32]),
        stem_patch_size=2,
        # the usual standard deviation of 0.02 is far too small for layers this narrow
        init_cfg=dict(type='Kaiming', layer=['Conv2d', 'Linear'], mode='fan_in', nonlinearity='linear')),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=32, loss=dict(type='CrossEntropyLoss')))
