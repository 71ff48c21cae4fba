# Searching for MobileNetV3, arXiv 1905.02244; MobileNetV3-Large, 5.48 M parameters; mmpretrain
_base_ = 'mmpretrain::_base_/models/mobilenet_v3/mobilenet_v3_large_imagenet.py'
model = dict(
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
