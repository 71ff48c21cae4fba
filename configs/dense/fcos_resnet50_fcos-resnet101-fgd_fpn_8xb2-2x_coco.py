# Paper:   FGD (arXiv 2111.11837); README of yzd-v/FGD, FCOS ResNet-50
# Command: bash tools/dist_train.sh configs/dense/fcos_resnet50_fcos-resnet101-fgd_fpn_8xb2-2x_coco.py 8
# Figure:  42.7 bbox_mAP (38.5 alone)
# Differs: boxes are scaled to the padded image; neck and head start at random, there from the teacher's
# Status:  not run here; needs 8 GPUs (2 images each) and COCO 2017 in data/coco
_base_ = 'mmdet::fcos/fcos_r101-caffe_fpn_gn-head_ms-640-800-2x_coco.py'
levels = ['neck1', 'neck2', 'neck3', 'neck4', 'neck5']
model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='mmdet::fcos/fcos_r50-caffe_fpn_gn-head-center-normbbox-centeronreg-giou_1x_coco.py'),
    teacher=dict(
        config='mmdet::fcos/fcos_r101-caffe_fpn_gn-head_ms-640-800-2x_coco.py',
        checkpoint='https://download.openmmlab.com/mmdetection/v2.0/fcos/fcos_r101_caffe_fpn_gn-head_mstrain_640-800_2x_coco/fcos_r101_caffe_fpn_gn-head_mstrain_640-800_2x_coco-511424d6.pth'),
    terms=dict(fgd=dict(
        loss=dict(type='mmkd.FGDLoss', temperature=0.8, alpha=1.6e-3, beta=8e-4, gamma=8e-4, lambda_=8e-6),
        student=levels, teacher=levels)))
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
