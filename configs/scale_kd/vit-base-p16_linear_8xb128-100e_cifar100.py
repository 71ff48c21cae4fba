# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 12, linear probing, ViT-B trained from scratch
# Command: bash tools/dist_train.sh configs/scale_kd/vit-base-p16_linear_8xb128-100e_cifar100.py 8
# Figure:  81.76 top1
# Weights: the backbone's come from a student trained on ImageNet-1K. Make the file with
#              python tools/model_converters/publish_student.py \
#                  work_dirs/vit-base-p16_32xb32-300e_in1k/epoch_300.pth
#          and give the name that it prints: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Differs: the paper gives no training of the probe: 100 epochs of SGD at 224x224, with flips
# Status:  not run here; needs 8 GPUs with 16 GB or more; CIFAR-100 is downloaded to data/cifar100
_base_ = ['_base_/models/vit-base-p16.py', '_base_/schedules/cifar100_linear_100e.py']

model = dict(
    backbone=dict(
        frozen_stages=12,
        drop_path_rate=0.0,
        init_cfg=dict(
            type='Pretrained', prefix='backbone.',
            checkpoint='work_dirs/vit-base-p16_32xb32-300e_in1k/student.pth')),
    head=dict(num_classes=100, loss=dict(_delete_=True, type='CrossEntropyLoss')),
    train_cfg=None,
    data_preprocessor=dict(num_classes=100, to_rgb=False))
