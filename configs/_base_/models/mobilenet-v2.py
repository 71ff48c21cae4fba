# MobileNetV2, arXiv 1801.04381; 3.50 M parameters; mmpretrain
_base_ = 'mmpretrain::_base_/models/mobilenet_v2_1x.py'
model = dict(
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
