# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 5, Cascade Mask R-CNN, ConvNeSt-T
# Command: bash tools/dist_train.sh configs/convnest/cascade-mask-rcnn_convnest-tiny_fpn_3x_coco.py 8
# Figure:  51.0 bbox_mAP, 44.1 segm_mAP (746 G FLOPs at 1280x800)
# Weights: convnest-tiny_in1k of the model zoo, or those of your own training (see the README): --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE
# Differs: the paper gives neither drop path nor layer decay; both are Liu et al.'s (2022) for ConvNeXt-T
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and COCO 2017 in data/coco
_base_ = './_base_/detectors/cascade-mask-rcnn_3x_coco.py'
