# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 6, UperNet, ConvNeSt-T
# Command: bash tools/dist_train.sh configs/convnest/upernet_convnest-tiny_160k_ade20k-512x512.py 8
# Figure:  47.8 mIoU, 48.5 multi-scale (56 M parameters, 941 G FLOPs at 2048x512)
# Weights: as in mask-rcnn_convnest-tiny_fpn_3x_coco.py
# Differs: the paper gives neither drop path nor layer decay; both are Liu et al.'s (2022) for ConvNeXt-T
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = 'mmseg::convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512.py'
custom_imports = dict(imports=['mmkd'], allow_failed_imports=False)

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.ConvNeSt',
        arch='tiny',
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.4,
        gap_before_final_norm=False,
        init_cfg=dict(type='Pretrained', checkpoint='work_dirs/convnest-tiny_32xb128_in1k/student.pth',
                      prefix='backbone.')),
    decode_head=dict(in_channels=[48, 96, 192, 384]),
    auxiliary_head=dict(in_channels=192))

# mmdet's and mmseg's own constructors take ConvNeXt only
optim_wrapper = dict(
    constructor='mmkd.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, decay_rate=0.9, decay_type='stage_wise'))
