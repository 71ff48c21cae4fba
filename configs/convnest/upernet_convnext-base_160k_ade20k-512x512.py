# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 6, UperNet, ConvNeXt-B
# Command: bash tools/dist_train.sh configs/convnest/upernet_convnext-base_160k_ade20k-512x512.py 8
# Figure:  49.1 mIoU, 49.9 multi-scale (122 M parameters, 1170 G FLOPs at 2048x512)
# Test:    python tools/test.py configs/convnest/upernet_convnext-base_160k_ade20k-512x512.py FILE, with --tta at
#          several scales
# Weights: convnext-base_in1k of the model zoo, or those of your own training (see the README): --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE
# Differs: the figure is Liu et al.'s (2022), quoted by the paper; the training is theirs, too
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = './_base_/segmentors/upernet_160k_ade20k-512x512.py'

model = dict(
    backbone=dict(type='mmpretrain.ConvNeXt', arch='base', init_cfg=dict(checkpoint='convnext-base_in1k')),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
    auxiliary_head=dict(in_channels=512))
