# A larger RetinaNet on the fashion scenes, with the teacher as its backbone. It teaches the smaller ones.
# Command: python tools/train.py configs/fashion/retinanet_slak-mini_fashion.py
# status: reproduced (one CPU core, seed 0: bbox_mAP 68.2 on the val scenes)
_base_ = './retinanet_convnest-mini_fashion.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.SLaK',
        arch=dict(depths=[1, 2, 1], channels=[32, 64, 128]),
        width_factor=1.0,
        kernel_sizes=(51, 49, 47),
        stem_patch_size=2,
        layer_scale_init_value=1.0,
        out_indices=(1, 2),
        gap_before_final_norm=False,
        init_cfg=dict(
            type='Pretrained', checkpoint='work_dirs/slak-mini_fashion/epoch_22.pth', prefix='backbone.')),
    neck=dict(in_channels=[64, 128]))
