# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 5, Mask R-CNN, ConvNeSt-T
# Command: bash tools/dist_train.sh configs/convnest/mask-rcnn_convnest-tiny_fpn_3x_coco.py 8
# Figure:  47.3 bbox_mAP, 42.1 segm_mAP (268 G FLOPs at 1280x800)
# Weights: the backbone's come from a student trained on ImageNet-1K. Make the file with
#              python tools/model_converters/publish_student.py work_dirs/convnest-tiny_32xb128_in1k/epoch_300.pth
#          and give the name that it prints: --cfg-options model.backbone.init_cfg.checkpoint=FILE. Of the distilled
#          student (convnest-tiny_slak-tiny-nkd_16xb128_in1k) likewise; the paper's figure does not say "distilled".
# Differs: the paper gives neither drop path nor layer decay; both are Liu et al.'s (2022) for ConvNeXt-T
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and COCO 2017 in data/coco
_base_ = 'mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py'
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
    neck=dict(in_channels=[48, 96, 192, 384]))

# mmdet's and mmseg's own constructors take ConvNeXt only
optim_wrapper = dict(
    constructor='mmkd.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, decay_rate=0.95, decay_type='layer_wise'))
