# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 2, expansion ratio 12; Table 3,
#          LN and LN; Table 8, ER12, LN
# Command: bash tools/dist_train.sh configs/convnest/convnest-tiny-er12_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096, as in Table 7)
# Figure:  81.99 top1 (28 M parameters, 4.8 G FLOPs)
# Status:  not run here; needs 8 GPUs with 80 GB (40 GB with --amp) and ImageNet-1K in data/imagenet
_base_ = [
    './_base_/models/convnest-tiny-roadmap.py',
    './_base_/datasets/imagenet_bs128_224.py',
    './_base_/schedules/adamw_bs4096_300e_warmup20.py',
    'mmpretrain::_base_/default_runtime.py',
]

custom_hooks = [dict(type='mmkd.EMAHook', momentum=1e-4, priority='ABOVE_NORMAL')]
