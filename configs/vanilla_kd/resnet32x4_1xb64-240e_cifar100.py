# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 1, (b), Res32x4,
#          the teacher
# Command: python tools/train.py configs/vanilla_kd/resnet32x4_1xb64-240e_cifar100.py
# Figure:  79.42 top1
# Status:  not run here; needs 1 GPU and CIFAR-100 in data/cifar100
_base_ = ['../_base_/models/resnet32x4_cifar.py', './_base_/strategies/cifar100.py']
