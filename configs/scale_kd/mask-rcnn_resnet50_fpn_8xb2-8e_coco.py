# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 5, Mask R-CNN, ResNet-50 after individual training
# Command: bash tools/dist_train.sh configs/scale_kd/mask-rcnn_resnet50_fpn_8xb2-8e_coco.py 8
# Figure:  40.2 bbox_mAP, 37.1 segm_mAP
# Weights: the backbone's come from a student trained on ImageNet-1K. Make the file with
#              python tools/model_converters/publish_student.py \
#                  work_dirs/resnet50_32xb64-300e_in1k/epoch_300.pth
#          and give the name that it prints: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Differs: stage decay as a rate for each stage from the head down, the stem below the first
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and COCO 2017 in data/coco
_base_ = '_base_/schedules/coco_8e.py'

model = dict(backbone=dict(init_cfg=dict(
    type='Pretrained', prefix='backbone.', checkpoint='work_dirs/resnet50_32xb64-300e_in1k/student.pth')))

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={
        'backbone.conv1': dict(lr_mult=0.7**5),
        'backbone.layer1': dict(lr_mult=0.7**4),
        'backbone.layer2': dict(lr_mult=0.7**3),
        'backbone.layer3': dict(lr_mult=0.7**2),
        'backbone.layer4': dict(lr_mult=0.7**1),
    }))
