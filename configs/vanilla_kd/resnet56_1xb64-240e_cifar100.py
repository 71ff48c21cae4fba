# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 1, (b), Res56,
#          the teacher
# Command: python tools/train.py configs/vanilla_kd/resnet56_1xb64-240e_cifar100.py
# Figure:  72.34 top1
# Status:  not run here; needs 1 GPU and CIFAR-100 in data/cifar100
_base_ = ['../_base_/models/resnet56_cifar.py', './_base_/strategies/cifar100.py']
