# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 6, UperNet, ResNet-50 after individual training
# Command: bash tools/dist_train.sh configs/scale_kd/upernet_resnet50_8xb2-160k_ade20k-512x512.py 8
# Figure:  42.37 mIoU
# Weights: the backbone's come from a student trained on ImageNet-1K. Make the file with
#              python tools/model_converters/publish_student.py \
#                  work_dirs/resnet50_32xb64-300e_in1k/epoch_300.pth
#          and give the name that it prints: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Differs: stage decay as a rate for each stage from the head down, the stem below the first
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = '_base_/schedules/ade20k_160k.py'

model = dict(backbone=dict(
    type='ResNet',
    init_cfg=dict(type='Pretrained', checkpoint='work_dirs/resnet50_32xb64-300e_in1k/student.pth', prefix='backbone.')))

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={
        'backbone.conv1': dict(lr_mult=0.9**5),
        'backbone.layer1': dict(lr_mult=0.9**4),
        'backbone.layer2': dict(lr_mult=0.9**3),
        'backbone.layer3': dict(lr_mult=0.9**2),
        'backbone.layer4': dict(lr_mult=0.9**1),
    }))
