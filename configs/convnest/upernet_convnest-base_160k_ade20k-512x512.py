# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 6, UperNet, ConvNeSt-B
# Command: bash tools/dist_train.sh configs/convnest/upernet_convnest-base_160k_ade20k-512x512.py 8
# Figure:  49.4 mIoU, 50.3 multi-scale (120 M parameters, 1182 G FLOPs at 2048x512)
# Test:    python tools/test.py configs/convnest/upernet_convnest-base_160k_ade20k-512x512.py FILE, with --tta at
#          several scales
# Weights: convnest-base_in1k of the model zoo, or those of your own training (see the README): --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE
# Differs: the paper gives neither drop path nor layer decay; both are Liu et al.'s (2022) for ConvNeXt-B
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = './_base_/segmentors/upernet_160k_ade20k-512x512.py'

model = dict(
    backbone=dict(arch='base', init_cfg=dict(checkpoint='convnest-base_in1k')),
    decode_head=dict(in_channels=[72, 144, 288, 576]),
    auxiliary_head=dict(in_channels=288))
