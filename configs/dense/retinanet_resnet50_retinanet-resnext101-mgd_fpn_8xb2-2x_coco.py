# Paper:   MGD (arXiv 2205.01529); README of mmrazor, RetinaNet-R50
# Command: bash tools/dist_train.sh configs/dense/retinanet_resnet50_retinanet-resnext101-mgd_fpn_8xb2-2x_coco.py 8
# Figure:  41.0 bbox_mAP (37.4 alone)
# Differs: nothing known; as there, neck and head start from the teacher's
# Status:  not run here; needs 8 GPUs (2 images each) and COCO 2017 in data/coco
_base_ = ['mmdet::_base_/datasets/coco_detection.py', 'mmdet::_base_/schedules/schedule_2x.py',
          'mmdet::_base_/default_runtime.py']
levels = ['neck1', 'neck2', 'neck3', 'neck4', 'neck5']
weights = 'https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_x101_64x4d_fpn_1x_coco/retinanet_x101_64x4d_fpn_1x_coco_20200130-366f5af1.pth'
model = dict(
    type='mmkd.Distiller',
    student=dict(
        config='mmdet::retinanet/retinanet_r50_fpn_2x_coco.py',
        options={'model.neck.init_cfg': dict(type='Pretrained', prefix='neck.', checkpoint=weights),
                 'model.bbox_head.init_cfg': dict(type='Pretrained', prefix='bbox_head.', checkpoint=weights)}),
    teacher=dict(config='mmdet::retinanet/retinanet_x101-64x4d_fpn_1x_coco.py', checkpoint=weights),
    terms=dict(mgd=dict(
        loss=dict(type='mmkd.MGDLoss', mask='spatial', mask_ratio=0.65), student=levels, teacher=levels, weight=2e-5)))
optim_wrapper = dict(optimizer=dict(lr=0.01))
