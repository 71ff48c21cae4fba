# ConvNeXt-A of ConvNeSt's Table 4 (widths and depths: ConvNeXt V2, arXiv 2301.00808)
# 3.7 M parameters; mmpretrain
_base_ = 'mmpretrain::_base_/models/convnext/convnext-tiny.py'
model = dict(
    backbone=dict(arch='atto', drop_path_rate=0.),
    head=dict(in_channels=320),
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
