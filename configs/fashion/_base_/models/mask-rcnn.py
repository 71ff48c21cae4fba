# mmdet's Mask R-CNN, cut down to scenes of 96×96 and ten classes. The pyramid's levels have strides 4, 8 and 16.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.ConvNeSt',
        arch=dict(depths=[1, 1, 1], channels=[8, 16, 32]),
        stem_patch_size=2,
        out_indices=(1, 2),
        gap_before_final_norm=False,
        init_cfg=dict(type='Kaiming', layer=['Conv2d', 'Linear'], mode='fan_in', nonlinearity='linear')),
    neck=dict(in_channels=[16, 32], out_channels=48, num_outs=3),
    rpn_head=dict(
        in_channels=48,
        feat_channels=48,
        anchor_generator=dict(type='AnchorGenerator', scales=[4], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=48, finest_scale=28, featmap_strides=[4, 8]),
        bbox_head=dict(in_channels=48, fc_out_channels=128, num_classes=10, reg_class_agnostic=True),
        mask_roi_extractor=dict(out_channels=48, finest_scale=28, featmap_strides=[4, 8]),
        mask_head=dict(num_convs=2, in_channels=48, conv_out_channels=48, num_classes=10, class_agnostic=True)),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(sampler=dict(type='RandomSampler', num=64, pos_fraction=0.25, neg_pos_ub=-1,
                               add_gt_as_proposals=True))),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100), rcnn=dict(max_per_img=20)))
