# Paper:   Are Large Kernels Better Teachers than Transformers for ConvNets? (arXiv 2305.19412);
#          Table 12 and Table 13, ResNet-50 distilled on ImageNet-1K, fine-tuned on CIFAR-10
# Command: python tools/train.py configs/large_kernel_kd/resnet50_1xb128_cifar10.py \
#              --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Figure:  top1, by the teacher of the student; Table 12 (NKD): 96.1 Swin-T, 96.2 CSWin-T, 96.6 ConvNeXt-T, 97.0 SLaK-T
#          Table 13 (KD): 95.88 Swin-T, 95.93 CSWin-T, 96.15 ConvNeXt-T, 96.34 SLaK-T
# Weights: FILE is what publish_student.py prints, here of the student of SLaK-T by NKD:
#              python tools/model_converters/publish_student.py \
#                  work_dirs/resnet50_slak-tiny-nkd_32xb128-120e_in1k/epoch_120.pth
# Differs: batch size, image size, augmentation and momentum are not in the paper
# Status:  not run here; needs a GPU with 24 GB or more; CIFAR is downloaded
_base_ = ['_base_/models/resnet50.py', '_base_/datasets/cifar10_224.py', '_base_/schedules/sgd_50e.py']

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/resnet50_slak-tiny-nkd_32xb128-120e_in1k/student.pth',
            prefix='backbone.')),
    head=dict(num_classes=10, loss=dict(_delete_=True, type='CrossEntropyLoss')),
    train_cfg=None,  # no mixup
    data_preprocessor=dict(num_classes=10, to_rgb=False))
