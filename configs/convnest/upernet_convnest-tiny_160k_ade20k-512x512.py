# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 6, UperNet, ConvNeSt-T
# Command: bash tools/dist_train.sh configs/convnest/upernet_convnest-tiny_160k_ade20k-512x512.py 8
# Figure:  47.8 mIoU, 48.5 multi-scale (56 M parameters, 941 G FLOPs at 2048x512)
# Test:    python tools/test.py configs/convnest/upernet_convnest-tiny_160k_ade20k-512x512.py FILE, with --tta at
#          several scales
# Weights: convnest-tiny_in1k of the model zoo, or those of your own training (see the README): --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE
# Differs: the paper gives neither drop path nor layer decay; both are Liu et al.'s (2022) for ConvNeXt-T
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = './_base_/segmentors/upernet_160k_ade20k-512x512.py'
