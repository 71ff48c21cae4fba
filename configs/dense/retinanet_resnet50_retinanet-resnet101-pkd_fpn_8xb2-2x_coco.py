# Paper:   PKD (arXiv 2207.02039); No table, RetinaNet ResNet-101 teaches RetinaNet ResNet-50
# Command: bash tools/dist_train.sh configs/dense/retinanet_resnet50_retinanet-resnet101-pkd_fpn_8xb2-2x_coco.py 8
# Figure:  none read for this pair; with ResNeXt-101 as teacher mmrazor has 40.8 bbox_mAP (37.4 alone)
# Differs: the teacher; weight 10 on four levels as in mmrazor
# Status:  not run here; needs 8 GPUs (2 images each) and COCO 2017 in data/coco
_base_ = ['mmdet::_base_/datasets/coco_detection.py', 'mmdet::_base_/schedules/schedule_2x.py',
          'mmdet::_base_/default_runtime.py']
levels = ['neck1', 'neck2', 'neck3', 'neck4']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='mmdet::retinanet/retinanet_r50_fpn_2x_coco.py'),
    teacher=dict(
        config='mmdet::retinanet/retinanet_r101_fpn_2x_coco.py',
        checkpoint='https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_2x_coco/retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth'),
    terms=dict(pkd=dict(loss=dict(type='mmkd.PKDLoss'), student=levels, teacher=levels, weight=10.0)))
optim_wrapper = dict(optimizer=dict(lr=0.01))
