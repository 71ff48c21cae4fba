# ConvNeXt V2, arXiv 2301.00808; 28.6 M parameters; mmpretrain
_base_ = 'mmpretrain::_base_/models/convnext_v2/tiny.py'
model = dict(
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
