# Paper:   LD (arXiv 2102.12252); metafile of mmdet, GFL ResNet-50
# Command: bash tools/dist_train.sh configs/dense/gfl_resnet50_gfl-resnet101-ld_fpn_8xb2-1x_coco.py 8
# Figure:  41.0 bbox_mAP
# Differs: nothing; mmdet's own LDHead. The teacher is written out, as mmdet looks its config up in its checkout
# Status:  not run here; needs 8 GPUs (2 images each) and COCO 2017 in data/coco
_base_ = 'mmdet::ld/ld_r50-gflv1-r101_fpn_1x_coco.py'
teacher = dict(
    type='GFL',
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=dict(
        type='ResNet', depth=101, num_stages=4, out_indices=(0, 1, 2, 3), frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=True), norm_eval=True, style='pytorch'),
    neck=_base_.model.neck,
    bbox_head=dict(
        type='GFLHead', num_classes=80, in_channels=256, stacked_convs=4, feat_channels=256, reg_max=16,
        anchor_generator=_base_.model.bbox_head.anchor_generator, loss_cls=_base_.model.bbox_head.loss_cls,
        loss_dfl=_base_.model.bbox_head.loss_dfl, loss_bbox=_base_.model.bbox_head.loss_bbox),
    train_cfg=_base_.model.train_cfg,
    test_cfg=_base_.model.test_cfg)
model = dict(teacher_config=dict(_delete_=True, model=teacher))
