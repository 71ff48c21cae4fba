# Cascade Mask R-CNN with SLaK-T, the model of the authors' published detector
_base_ = '../../../convnest/_base_/detectors/cascade-mask-rcnn_3x_coco.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.SLaK',
        arch='tiny',
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.4,
        layer_scale_init_value=1.0,
        gap_before_final_norm=False,
        init_cfg=dict(type='Pretrained', checkpoint='slak-tiny_in1k', prefix='backbone.')),
    neck=dict(in_channels=[124, 249, 499, 998]))
