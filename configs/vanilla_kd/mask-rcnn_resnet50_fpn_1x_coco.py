# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 11, (a)
#          Mask R-CNN, Res50 of 77.1 top1, 1x
# Command: bash tools/dist_train.sh configs/vanilla_kd/mask-rcnn_resnet50_fpn_1x_coco.py 8
# Figure:  38.2 bbox_mAP, 34.7 segm_mAP
# Weights: torchvision's, 76.1 top1; the paper's 77.1 has no source, and its figures are mmdet's of this config
# Status:  not run here; needs 8 GPUs with 24 GB or more and COCO 2017 in data/coco (2 images each)
_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
