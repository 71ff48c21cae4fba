# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 6, UperNet, ConvNeXt-S
# Command: bash tools/dist_train.sh configs/convnest/upernet_convnext-small_160k_ade20k-512x512.py 8
# Figure:  48.7 mIoU, 49.6 multi-scale (82 M parameters, 1027 G FLOPs at 2048x512)
# Test:    python tools/test.py configs/convnest/upernet_convnext-small_160k_ade20k-512x512.py FILE, with --tta at
#          several scales
# Weights: convnext-small_in1k of the model zoo, or those of your own training (see the README): --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE
# Differs: the figure is Liu et al.'s (2022), quoted by the paper; the training is theirs, too
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = './_base_/segmentors/upernet_160k_ade20k-512x512.py'

model = dict(
    backbone=dict(type='mmpretrain.ConvNeXt', arch='small', drop_path_rate=0.3,
                  init_cfg=dict(checkpoint='convnext-small_in1k')),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
    auxiliary_head=dict(in_channels=384))
