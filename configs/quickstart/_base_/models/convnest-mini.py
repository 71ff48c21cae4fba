# The student: a ConvNeSt of three stages with one block each, for images of 32×32.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmkd.ConvNeSt',
        arch=dict(depths=[1, 1, 1], channels=[16, 32, 64]),
        # the usual standard deviation of 0.02 is far too small for layers this narrow
        init_cfg=dict(type='Kaiming', layer=['Conv2d', 'Linear'], mode='fan_in', nonlinearity='linear')),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=64, loss=dict(type='CrossEntropyLoss')))
