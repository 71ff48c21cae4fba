# The other student: CIFAR's ResNet of eight layers, half as wide, for images of 28×28.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmkd.CIFARResNet', depth=8, channels=[8, 8, 16, 32]),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=32, loss=dict(type='CrossEntropyLoss')))
