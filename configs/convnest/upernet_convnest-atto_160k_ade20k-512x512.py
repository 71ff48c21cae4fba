# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 6, UperNet, ConvNeSt-A
# Command: bash tools/dist_train.sh configs/convnest/upernet_convnest-atto_160k_ade20k-512x512.py 8
# Figure:  38.6 mIoU, 39.4 multi-scale (31 M parameters, 852 G FLOPs at 2048x512)
# Test:    python tools/test.py configs/convnest/upernet_convnest-atto_160k_ade20k-512x512.py FILE, with --tta at
#          several scales
# Weights: convnest-atto_in1k of the model zoo, or those of your own training (see the README): --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE
# Differs: the paper gives neither drop path nor layer decay; the decay is Liu et al.'s (2022) for ConvNeXt-T, the
#          drop path that of the ImageNet training (Table 9)
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = './_base_/segmentors/upernet_160k_ade20k-512x512.py'

model = dict(
    backbone=dict(arch='atto', drop_path_rate=0., init_cfg=dict(checkpoint='convnest-atto_in1k')),
    decode_head=dict(in_channels=[20, 40, 80, 160]),
    auxiliary_head=dict(in_channels=80))
