# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 1, pre-activation (Fig. 2b)
# Command: bash tools/dist_train.sh configs/convnest/convnest-tiny-er4-pre-activation_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096, as in Table 7)
# Figure:  81.82 top1
# Status:  not run here; needs 8 GPUs with 80 GB (40 GB with --amp) and ImageNet-1K in data/imagenet
_base_ = './convnest-tiny-er4_32xb128_in1k.py'
model = dict(backbone=dict(micro_design='pre_activation'))
