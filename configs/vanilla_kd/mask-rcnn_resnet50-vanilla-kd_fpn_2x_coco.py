# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 11, (a)
#          Mask R-CNN, Res50 of 83.1 top1, 2x
# Command: bash tools/dist_train.sh configs/vanilla_kd/mask-rcnn_resnet50-vanilla-kd_fpn_2x_coco.py 8
# Figure:  42.1 bbox_mAP, 38.0 segm_mAP
# Weights: the student of 83.08 top1 in Table 8, by its name; of a file: --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE, made by tools/model_converters/publish_student.py from a checkpoint
#          of resnet50_beitv2-base-kd_8xb256-a1-4800e_in1k
# Differs: batch, rate and the trained batch norms are those of the authors' published config, the paper gives none
# Status:  not run here; needs 8 GPUs with 24 GB or more and COCO 2017 in data/coco (4 images each)
_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_2x_coco.py'

model = dict(
    backbone=dict(
        frozen_stages=1,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        norm_eval=False,
        init_cfg=dict(checkpoint='resnet50_vanilla-kd_in1k', prefix='backbone.')))

train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.04))
auto_scale_lr = dict(base_batch_size=32)
