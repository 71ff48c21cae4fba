# mmdet's recipe of ConvNeXt-T, on ConvNeSt-T
_base_ = 'mmdet::convnext/cascade-mask-rcnn_convnext-t-p4-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py'
custom_imports = dict(imports=['mmkd', 'mmpretrain.models'], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.ConvNeSt',
        arch='tiny',
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.4,
        gap_before_final_norm=False,
        init_cfg=dict(type='Pretrained', checkpoint='convnest-tiny_in1k', prefix='backbone.')),
    neck=dict(in_channels=[48, 96, 192, 384]))

# mmdet's own constructor takes ConvNeXt-T, -S and larger only
optim_wrapper = dict(
    constructor='mmkd.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, decay_rate=0.7, decay_type='layer_wise'))
