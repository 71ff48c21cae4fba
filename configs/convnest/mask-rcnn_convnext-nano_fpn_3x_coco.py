# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 5, Mask R-CNN, ConvNeXt-N
# Command: bash tools/dist_train.sh configs/convnest/mask-rcnn_convnext-nano_fpn_3x_coco.py 8
# Figure:  43.9 bbox_mAP, 39.9 segm_mAP (221 G FLOPs at 1280x800)
# Weights: convnext-nano_in1k of the model zoo, or those of your own training (see the README): --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE
# Differs: the paper gives neither drop path nor layer decay; the decay is Liu et al.'s (2022) for ConvNeXt-T, the
#          drop path that of the ImageNet training (Table 9)
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and COCO 2017 in data/coco
_base_ = './_base_/detectors/mask-rcnn_3x_coco.py'

model = dict(
    backbone=dict(type='mmpretrain.ConvNeXt', arch='nano', drop_path_rate=0.,
                  init_cfg=dict(checkpoint='convnext-nano_in1k')),
    neck=dict(in_channels=[80, 160, 320, 640]))
