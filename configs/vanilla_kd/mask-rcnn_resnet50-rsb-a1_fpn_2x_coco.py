# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 11, (a)
#          Mask R-CNN, Res50 of 80.4 top1, 2x
# Command: bash tools/dist_train.sh configs/vanilla_kd/mask-rcnn_resnet50-rsb-a1_fpn_2x_coco.py 8
# Figure:  40.0 bbox_mAP, 36.1 segm_mAP
# Weights: those of Wightman et al. (arXiv 2110.00476), A1, 80.4 top1, by their name
# Status:  not run here; needs 8 GPUs with 24 GB or more and COCO 2017 in data/coco (4 images each)
_base_ = './mask-rcnn_resnet50-vanilla-kd_fpn_2x_coco.py'

model = dict(backbone=dict(init_cfg=dict(checkpoint='resnet50-rsb-a1_in1k')))
