# Paper:   PKD (arXiv 2207.02039); No table, Mask R-CNN ConvNeXt-T teaches Mask R-CNN ResNet-50
# Command: bash tools/dist_train.sh configs/dense/mask-rcnn_resnet50_mask-rcnn-convnext-tiny-pkd_fpn_8xb2-2x_coco.py 8
# Figure:  none published for this pair
# Differs: nothing to compare with; weight 6 is that of the two-stage pairs in mmrazor
# Status:  not run here; needs 8 GPUs (2 images each) and COCO 2017 in data/coco
_base_ = ['mmdet::_base_/datasets/coco_instance.py', 'mmdet::_base_/schedules/schedule_2x.py',
          'mmdet::_base_/default_runtime.py']
levels = ['neck1', 'neck2', 'neck3', 'neck4']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='mmdet::mask_rcnn/mask-rcnn_r50_fpn_2x_coco.py'),
    teacher=dict(
        config='mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py',
        checkpoint='https://download.openmmlab.com/mmdetection/v2.0/convnext/mask_rcnn_convnext-t_p4_w7_fpn_fp16_ms-crop_3x_coco/mask_rcnn_convnext-t_p4_w7_fpn_fp16_ms-crop_3x_coco_20220426_154953-050731f4.pth'),
    terms=dict(pkd=dict(loss=dict(type='mmkd.PKDLoss'), student=levels, teacher=levels, weight=6.0)))
