# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 4, ConvNeXt-B at 384x384,
#          fine-tuned
# Command: bash tools/dist_train.sh configs/convnest/convnext-base_16xb32_in1k-384px.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=2    (8 GPUs x 32 images x 2 = 512)
# Figure:  85.1 top1 (89 M parameters, 45.0 G FLOPs)
# Weights: convnext-base_in1k of the model zoo, or those of convnext-base_32xb128_in1k: --cfg-options load_from=FILE
# Differs: the figure is Liu et al.'s (2022), quoted by the paper; the training is theirs, too
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = [
    '../_base_/models/convnext-base.py',
    './_base_/datasets/imagenet_bs32_384.py',
    './_base_/schedules/adamw_bs512_30e_finetune.py',
    'mmpretrain::_base_/default_runtime.py',
]

model = dict(backbone=dict(drop_path_rate=0.8), train_cfg=None)  # neither mixup nor cutmix
load_from = 'convnext-base_in1k'
