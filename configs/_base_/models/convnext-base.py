# A ConvNet for the 2020s, arXiv 2201.03545; 88.6 M parameters; mmpretrain
_base_ = 'mmpretrain::_base_/models/convnext/convnext-base.py'
model = dict(
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
