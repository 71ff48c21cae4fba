# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 4, hierarchical ConvNeSt-B
# Command: bash tools/dist_train.sh configs/convnest/convnest-base_128xb32_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=16    (8 GPUs x 32 images x 16 = 4096, as in Table 9)
# Figure:  84.0 top1 (90 M parameters, 16.1 G FLOPs)
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = [
    '../_base_/models/convnest-base.py',
    './_base_/datasets/imagenet_bs128_224.py',
    './_base_/schedules/adamw_bs4096_300e_warmup20.py',
    'mmpretrain::_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=32)
custom_hooks = [dict(type='mmkd.EMAHook', momentum=1e-4, priority='ABOVE_NORMAL')]
