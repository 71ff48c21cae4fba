# Paper:   FGD (arXiv 2111.11837); README of yzd-v/FGD, config fgd_retina_r101_fpn_2x_distill_retina_r50
# Command: bash tools/dist_train.sh configs/dense/retinanet_resnet50_retinanet-resnet101-fgd_fpn_8xb2-2x_coco.py 8
# Figure:  none printed there; with ResNeXt-101 as teacher 40.7 bbox_mAP (37.4 alone)
# Differs: boxes are scaled to the padded image; as there, neck and head start from the teacher's
# Status:  not run here; needs 8 GPUs (2 images each) and COCO 2017 in data/coco
_base_ = ['mmdet::_base_/datasets/coco_detection.py', 'mmdet::_base_/schedules/schedule_2x.py',
          'mmdet::_base_/default_runtime.py']
levels = ['neck1', 'neck2', 'neck3', 'neck4', 'neck5']
weights = 'https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_2x_coco/retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth'
model = dict(
    type='mmkd.Distiller',
    student=dict(
        config='mmdet::retinanet/retinanet_r50_fpn_2x_coco.py',
        options={'model.neck.init_cfg': dict(type='Pretrained', prefix='neck.', checkpoint=weights),
                 'model.bbox_head.init_cfg': dict(type='Pretrained', prefix='bbox_head.', checkpoint=weights)}),
    teacher=dict(config='mmdet::retinanet/retinanet_r101_fpn_2x_coco.py', checkpoint=weights),
    terms=dict(fgd=dict(
        loss=dict(type='mmkd.FGDLoss', temperature=0.5, alpha=1e-3, beta=5e-4, gamma=5e-4, lambda_=5e-6),
        student=levels, teacher=levels)))
optim_wrapper = dict(optimizer=dict(lr=0.01), clip_grad=dict(max_norm=35, norm_type=2))
