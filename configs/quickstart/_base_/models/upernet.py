# mmseg's UperNet, cut down to scenes of 128×128 and eleven classes.
_base_ = 'mmseg::_base_/models/upernet_convnext.py'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    backbone=dict(
        _delete_=True,
        type='mmkd.ConvNeSt',
        arch=dict(depths=[1, 1, 1], channels=[16, 32, 64]),
        out_indices=(0, 1, 2),
        gap_before_final_norm=False),
    decode_head=dict(
        in_channels=[16, 32, 64], in_index=[0, 1, 2], channels=32, num_classes=11, norm_cfg=norm_cfg,
        # nine pixels in ten are background
        loss_decode=dict(class_weight=[0.2] + [1.0] * 10)),
    auxiliary_head=dict(in_channels=64, channels=16, num_classes=11, norm_cfg=norm_cfg))
