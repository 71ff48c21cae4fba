# mmseg's PSPNet, cut down to scenes of 96×96 and eleven classes.
_base_ = 'mmseg::_base_/models/pspnet_r50-d8.py'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(96, 96)),
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='mmkd.ConvNeSt',
        arch=dict(depths=[1, 1, 1], channels=[8, 16, 32]),
        stem_patch_size=2,
        out_indices=(1, 2),
        gap_before_final_norm=False,
        init_cfg=dict(type='Kaiming', layer=['Conv2d', 'Linear'], mode='fan_in', nonlinearity='linear')),
    decode_head=dict(
        in_channels=32, in_index=1, channels=48, num_classes=11, norm_cfg=norm_cfg, dropout_ratio=0.,
        # mmseg starts the last layer at 0.01: a short run would not leave "all is background"
        init_cfg=dict(type='Normal', std=0.1, override=dict(name='conv_seg'))),
    auxiliary_head=dict(in_channels=16, in_index=0, channels=16, num_classes=11, norm_cfg=norm_cfg))
