# Paper:   CWD (arXiv 2011.13256); README of mmrazor, GFL ResNet-50
# Command: bash tools/dist_train.sh configs/dense/gfl_resnet50_gfl-resnet101-cwd_fpn_8xb2-1x_coco.py 8
# Figure:  41.9 bbox_mAP (40.2 alone)
# Differs: the figure is for the scores of the head; the weight there is not known for certain, 10 is its detectors'
# Status:  not run here; needs 8 GPUs (2 images each) and COCO 2017 in data/coco
_base_ = ['mmdet::_base_/datasets/coco_detection.py', 'mmdet::_base_/schedules/schedule_1x.py',
          'mmdet::_base_/default_runtime.py']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='mmdet::gfl/gfl_r50_fpn_1x_coco.py'),
    teacher=dict(
        config='mmdet::gfl/gfl_r101_fpn_ms-2x_coco.py',
        checkpoint='https://download.openmmlab.com/mmdetection/v2.0/gfl/gfl_r101_fpn_mstrain_2x_coco/gfl_r101_fpn_mstrain_2x_coco_20200629_200126-dd12f847.pth'),
    terms=dict(cwd=dict(
        loss=dict(type='mmkd.CWDLoss', temperature=1.0), student='logits', teacher='logits', weight=10.0)))
optim_wrapper = dict(optimizer=dict(lr=0.01))
