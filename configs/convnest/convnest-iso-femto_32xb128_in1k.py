# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 4, isotropic ConvNeSt-F
# Command: bash tools/dist_train.sh configs/convnest/convnest-iso-femto_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096, as in Table 10)
# Figure:  70.2 top1 (4.1 M parameters, 0.77 G FLOPs)
# Status:  not run here; needs 8 GPUs with 24 GB or more and ImageNet-1K in data/imagenet
_base_ = [
    '../_base_/models/convnest-femto.py',
    './_base_/datasets/imagenet_bs128_224.py',
    './_base_/schedules/adamw_bs4096_300e_warmup50.py',
    'mmpretrain::_base_/default_runtime.py',
]

model = dict(backbone=dict(structure='isotropic', drop_path_rate=0.1), head=dict(in_channels=92))
