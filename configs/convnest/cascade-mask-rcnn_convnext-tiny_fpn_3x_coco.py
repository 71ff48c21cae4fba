# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 5, Cascade Mask R-CNN, ConvNeXt-T
# Command: bash tools/dist_train.sh configs/convnest/cascade-mask-rcnn_convnext-tiny_fpn_3x_coco.py 8
# Figure:  50.4 bbox_mAP, 43.7 segm_mAP (741 G FLOPs at 1280x800)
# Weights: convnext-tiny_in1k of the model zoo, or those of your own training (see the README): --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE
# Differs: the figure is Liu et al.'s (2022), quoted by the paper; the training is theirs, too
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and COCO 2017 in data/coco
_base_ = './_base_/detectors/cascade-mask-rcnn_3x_coco.py'

model = dict(
    backbone=dict(type='mmpretrain.ConvNeXt', init_cfg=dict(checkpoint='convnext-tiny_in1k')),
    neck=dict(in_channels=[96, 192, 384, 768]))
