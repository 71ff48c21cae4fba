# Paper:   Are Large Kernels Better Teachers than Transformers for ConvNets? (arXiv 2305.19412);
#          Table 12 and Table 13, ConvNeXt-T distilled on ImageNet-1K, fine-tuned on CIFAR-100
# Command: python tools/train.py configs/large_kernel_kd/convnext-tiny-bn_1xb128_cifar100.py \
#              --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Figure:  top1, by the teacher of the student; Table 12 (NKD): 86.9 Swin-T, 86.9 CSWin-T, 87.2 ConvNeXt-T, 87.5 SLaK-T
#          Table 13 (KD): 86.22 Swin-T, 86.52 CSWin-T, 86.96 ConvNeXt-T, 87.13 SLaK-T
# Weights: FILE is what publish_student.py prints, here of the student of SLaK-T by NKD:
#              python tools/model_converters/publish_student.py \
#                  work_dirs/convnext-tiny-bn_slak-tiny-nkd_32xb128-120e_in1k/epoch_120.pth
# Differs: batch size, image size, augmentation and momentum are not in the paper
# Status:  not run here; needs a GPU with 24 GB or more; CIFAR is downloaded
_base_ = './convnext-tiny-bn_1xb128_cifar10.py'

model = dict(head=dict(num_classes=100), data_preprocessor=dict(num_classes=100))
data_preprocessor = dict(num_classes=100)
cifar100 = dict(type='CIFAR100', data_root='data/cifar100')
train_dataloader = dict(dataset=cifar100)
val_dataloader = dict(dataset=cifar100)
test_dataloader = dict(dataset=cifar100)
