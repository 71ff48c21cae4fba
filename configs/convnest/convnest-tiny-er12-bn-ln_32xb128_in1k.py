# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 3, expansion ratio 12, BN on the
#          high and LN on the low dimension
# Command: bash tools/dist_train.sh configs/convnest/convnest-tiny-er12-bn-ln_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096, as in Table 7)
# Figure:  82.10 top1
# Status:  not run here; needs 8 GPUs with 80 GB (40 GB with --amp) and ImageNet-1K in data/imagenet
_base_ = './convnest-tiny-er12_32xb128_in1k.py'
model = dict(backbone=dict(high_norm='BN'))
