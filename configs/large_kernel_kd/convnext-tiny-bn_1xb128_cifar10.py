# Paper:   Are Large Kernels Better Teachers than Transformers for ConvNets? (arXiv 2305.19412);
#          Table 12 and Table 13, ConvNeXt-T distilled on ImageNet-1K, fine-tuned on CIFAR-10
# Command: python tools/train.py configs/large_kernel_kd/convnext-tiny-bn_1xb128_cifar10.py \
#              --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Figure:  top1, by the teacher of the student; Table 12 (NKD): 97.4 Swin-T, 97.7 CSWin-T, 97.9 ConvNeXt-T, 98.3 SLaK-T
#          Table 13 (KD): 97.17 Swin-T, 97.41 CSWin-T, 97.69 ConvNeXt-T, 98.02 SLaK-T
# Weights: FILE is what publish_student.py prints, here of the student of SLaK-T by NKD:
#              python tools/model_converters/publish_student.py \
#                  work_dirs/convnext-tiny-bn_slak-tiny-nkd_32xb128-120e_in1k/epoch_120.pth
# Differs: batch size, image size, augmentation and momentum are not in the paper
# Status:  not run here; needs a GPU with 24 GB or more; CIFAR is downloaded
_base_ = ['_base_/models/convnext-tiny-bn.py', '_base_/datasets/cifar10_224.py', '_base_/schedules/sgd_50e.py']

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/convnext-tiny-bn_slak-tiny-nkd_32xb128-120e_in1k/student.pth',
            prefix='backbone.')),
    head=dict(num_classes=10, loss=dict(_delete_=True, type='CrossEntropyLoss')),
    train_cfg=None,  # no mixup
    data_preprocessor=dict(num_classes=10, to_rgb=False))
