# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 4, isotropic ConvNeSt-B
# Command: bash tools/dist_train.sh configs/convnest/convnest-iso-base_128xb32_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=16    (8 GPUs x 32 images x 16 = 4096, as in Table 10)
# Figure:  82.2 top1 (84 M parameters, 16.3 G FLOPs)
# Status:  not run here; needs 8 GPUs with 24 GB or more and ImageNet-1K in data/imagenet
_base_ = [
    '../_base_/models/convnest-base.py',
    './_base_/datasets/imagenet_bs128_224.py',
    './_base_/schedules/adamw_bs4096_300e_warmup50.py',
    'mmpretrain::_base_/default_runtime.py',
]

model = dict(backbone=dict(structure='isotropic', drop_path_rate=0.4), head=dict(in_channels=384))
train_dataloader = dict(batch_size=32)
custom_hooks = [dict(type='mmkd.EMAHook', momentum=1e-4, priority='ABOVE_NORMAL')]
