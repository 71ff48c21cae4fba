# Deep Residual Learning for Image Recognition, four times wider, as in CRD (arXiv 1910.10699)
# 7.43 M parameters on CIFAR-100; mmkd.CIFARResNet
model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmkd.CIFARResNet', depth=32, channels=(32, 64, 128, 256)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=100, in_channels=256, loss=dict(type='CrossEntropyLoss')),
    # CIFAR-100's files are RGB already
    data_preprocessor=dict(
        num_classes=100, mean=[129.304, 124.070, 112.434], std=[68.170, 65.392, 70.418], to_rgb=False))
