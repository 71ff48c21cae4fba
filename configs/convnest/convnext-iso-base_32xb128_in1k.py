# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 4, isotropic ConvNeXt-B
# Command: bash tools/dist_train.sh configs/convnest/convnext-iso-base_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096)
# Figure:  82.0 top1 (87 M parameters, 16.9 G FLOPs)
# Differs: the figure is Liu et al.'s (2022), quoted by the paper; the training is theirs, too
# Status:  not run here; needs 8 GPUs with 24 GB or more and ImageNet-1K in data/imagenet
_base_ = [
    '../_base_/models/convnext-iso-base.py',
    './_base_/datasets/imagenet_bs128_224.py',
    './_base_/schedules/adamw_bs4096_300e_warmup50.py',
    'mmpretrain::_base_/default_runtime.py',
]

model = dict(backbone=dict(drop_path_rate=0.2))
custom_hooks = [dict(type='mmkd.EMAHook', momentum=1e-4, priority='ABOVE_NORMAL')]
