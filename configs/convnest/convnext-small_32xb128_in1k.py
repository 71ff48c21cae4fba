# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 4, hierarchical ConvNeXt-S
#          Also: Table 6 of arXiv 2305.19412
# Command: bash tools/dist_train.sh configs/convnest/convnext-small_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096)
# Figure:  83.1 top1 (50 M parameters, 8.7 G FLOPs)
# Differs: the figure is Liu et al.'s (2022), quoted by the paper; the training is theirs, too
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = [
    '../_base_/models/convnext-small.py',
    './_base_/datasets/imagenet_bs128_224.py',
    './_base_/schedules/adamw_bs4096_300e_warmup20.py',
    'mmpretrain::_base_/default_runtime.py',
]

custom_hooks = [dict(type='mmkd.EMAHook', momentum=1e-4, priority='ABOVE_NORMAL')]
