# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Sec. 2.5, scaling branch output
#          (ResScale)
# Command: bash tools/dist_train.sh configs/convnest/convnest-tiny-er12-res-scale_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096, as in Table 7)
# Figure:  82.14 top1; 81.99 with a layer scale (Table 2)
# Status:  not run here; needs 8 GPUs with 80 GB (40 GB with --amp) and ImageNet-1K in data/imagenet
_base_ = './convnest-tiny-er12_32xb128_in1k.py'
model = dict(backbone=dict(scale='res_scale'))
