# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 11, (c) Cascade
#          Mask R-CNN, ConvNeXtV2-T of 85.0 top1, 3x
# Command: bash tools/dist_train.sh configs/vanilla_kd/cascade-mask-rcnn_convnext-v2-tiny-vanilla-kd_fpn_3x_coco.py 8
# Figure:  52.1 bbox_mAP, 45.4 segm_mAP
# Weights: the student of 85.03 top1 in Table 8, by its name; of a file: --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE, made by tools/model_converters/publish_student.py from a checkpoint
#          of convnext-v2-tiny_beitv2-base-kd_8xb256-a1-1200e_in1k
# Differs: rate, decay and augmentation are those of ConvNeXt (arXiv 2201.03545), the paper gives none
# Status:  not run here; needs 8 GPUs with 24 GB or more and COCO 2017 in data/coco (2 images each)
_base_ = 'mmdet::convnext/cascade-mask-rcnn_convnext-t-p4-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py'

model = dict(
    backbone=dict(
        layer_scale_init_value=0.,
        use_grn=True,
        init_cfg=dict(checkpoint='convnext-v2-tiny_vanilla-kd_in1k')))
