# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 2, expansion ratio 16
# Command: bash tools/dist_train.sh configs/convnest/convnest-tiny-er16_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096, as in Table 7)
# Figure:  81.66 top1 (28 M parameters, 4.8 G FLOPs)
# Status:  not run here; needs 8 GPUs with 80 GB (40 GB with --amp) and ImageNet-1K in data/imagenet
_base_ = './convnest-tiny-er12_32xb128_in1k.py'
model = dict(
    backbone=dict(arch=dict(channels=[48, 96, 192, 384]), expansion_ratio=16),
    head=dict(in_channels=384))
