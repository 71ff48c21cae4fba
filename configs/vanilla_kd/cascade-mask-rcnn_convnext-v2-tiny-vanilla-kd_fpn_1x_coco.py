# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 11, (c) Cascade
#          Mask R-CNN, ConvNeXtV2-T of 85.0 top1, 1x
# Command: bash tools/dist_train.sh configs/vanilla_kd/cascade-mask-rcnn_convnext-v2-tiny-vanilla-kd_fpn_1x_coco.py 8
# Figure:  50.6 bbox_mAP, 44.3 segm_mAP
# Weights: as in the config of 3x
# Differs: the augmentation is that of the 3x schedule, the paper says nothing of it
# Status:  not run here; needs 8 GPUs with 24 GB or more and COCO 2017 in data/coco (2 images each)
_base_ = './cascade-mask-rcnn_convnext-v2-tiny-vanilla-kd_fpn_3x_coco.py'

train_cfg = dict(max_epochs=12)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(type='MultiStepLR', begin=0, end=12, by_epoch=True, milestones=[8, 11], gamma=0.1),
]
