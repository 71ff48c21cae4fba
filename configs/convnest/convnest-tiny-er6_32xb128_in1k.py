# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 2, expansion ratio 6; Table 8,
#          ER6, LN
# Command: bash tools/dist_train.sh configs/convnest/convnest-tiny-er6_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096, as in Table 7)
# Figure:  82.03 top1 (29 M parameters, 4.7 G FLOPs)
# Status:  not run here; needs 8 GPUs with 80 GB (40 GB with --amp) and ImageNet-1K in data/imagenet
_base_ = './convnest-tiny-er12_32xb128_in1k.py'
model = dict(
    backbone=dict(arch=dict(channels=[80, 160, 320, 640]), expansion_ratio=6),
    head=dict(in_channels=640))
