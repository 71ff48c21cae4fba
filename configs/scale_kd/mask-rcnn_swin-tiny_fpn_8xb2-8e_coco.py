# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 5, Mask R-CNN, Swin-T after individual training
# Command: bash tools/dist_train.sh configs/scale_kd/mask-rcnn_swin-tiny_fpn_8xb2-8e_coco.py 8
# Figure:  42.7 bbox_mAP, 39.3 segm_mAP
# Weights: the backbone's come from a student trained on ImageNet-1K. Make the file with
#              python tools/model_converters/publish_student.py \
#                  work_dirs/swin-tiny_32xb32-300e_in1k/epoch_300.pth
#          and give the name that it prints: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Differs: stage decay as a rate for each stage from the head down, the stem below the first
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and COCO 2017 in data/coco
_base_ = '_base_/schedules/coco_8e.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.SwinTransformer',
        arch='tiny',
        img_size=224,
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.2,
        pad_small_map=True,
        init_cfg=dict(
            type='Pretrained', prefix='backbone.',
            checkpoint='work_dirs/swin-tiny_32xb32-300e_in1k/student.pth')),
    neck=dict(in_channels=[96, 192, 384, 768]))

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={
        'backbone.patch_embed': dict(lr_mult=0.7**5),
        'backbone.stages.0': dict(lr_mult=0.7**4),
        'backbone.stages.1': dict(lr_mult=0.7**3),
        'backbone.stages.2': dict(lr_mult=0.7**2),
        'backbone.stages.3': dict(lr_mult=0.7**1),
    }))
