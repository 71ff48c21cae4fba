# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 11, (b)
#          Mask R-CNN, ConvNeXtV2-T of 83.0 top1, 1x
# Command: bash tools/dist_train.sh configs/vanilla_kd/mask-rcnn_convnext-v2-tiny-fcmae_fpn_1x_coco.py 8
# Figure:  45.4 bbox_mAP, 41.5 segm_mAP
# Weights: those of ConvNeXt V2 (arXiv 2301.00808), FCMAE and fine-tuning on ImageNet-1K, by their name
# Status:  not run here; needs 8 GPUs with 24 GB or more and COCO 2017 in data/coco (2 images each)
_base_ = './mask-rcnn_convnext-v2-tiny-vanilla-kd_fpn_1x_coco.py'

model = dict(backbone=dict(init_cfg=dict(checkpoint='convnext-v2-tiny_fcmae-pre-in1k')))
