# mmdet's RetinaNet, cut down to scenes of 96×96 and ten classes. The pyramid's levels have strides 4, 8, 16 and 32.
_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.ConvNeSt',
        arch=dict(depths=[1, 1, 1], channels=[8, 16, 32]),
        stem_patch_size=2,
        out_indices=(1, 2),
        gap_before_final_norm=False,
        init_cfg=dict(type='Kaiming', layer=['Conv2d', 'Linear'], mode='fan_in', nonlinearity='linear')),
    neck=dict(in_channels=[16, 32], out_channels=48, start_level=0, num_outs=4),
    bbox_head=dict(
        num_classes=10,
        in_channels=48,
        stacked_convs=2,
        feat_channels=48,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=2, ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32])),
    test_cfg=dict(nms_pre=200, max_per_img=20))
