# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Sec. 2.5, stage compute ratio: blocks
#          (3, 3, 14, 3), before the dual shortcut
# Command: bash tools/dist_train.sh configs/convnest/convnest-tiny-single-shortcut_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096, as in Table 7)
# Figure:  82.44 top1; 82.14 with blocks (3, 3, 8, 3)
# Status:  not run here; needs 8 GPUs with 80 GB (40 GB with --amp) and ImageNet-1K in data/imagenet
_base_ = './convnest-tiny_32xb128_in1k.py'
model = dict(backbone=dict(shortcut='single'))
