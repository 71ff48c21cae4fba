# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 6, UperNet, ConvNeSt-N
# Command: bash tools/dist_train.sh configs/convnest/upernet_convnest-nano_160k_ade20k-512x512.py 8
# Figure:  45.1 mIoU, 45.9 multi-scale (43 M parameters, 896 G FLOPs at 2048x512)
# Test:    python tools/test.py configs/convnest/upernet_convnest-nano_160k_ade20k-512x512.py FILE, with --tta at
#          several scales
# Weights: convnest-nano_in1k of the model zoo, or those of your own training (see the README): --cfg-options
#          model.backbone.init_cfg.checkpoint=FILE
# Differs: the paper gives neither drop path nor layer decay; the decay is Liu et al.'s (2022) for ConvNeXt-T, the
#          drop path that of the ImageNet training (Table 9)
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = './_base_/segmentors/upernet_160k_ade20k-512x512.py'

model = dict(
    backbone=dict(arch='nano', drop_path_rate=0., init_cfg=dict(checkpoint='convnest-nano_in1k')),
    decode_head=dict(in_channels=[40, 80, 160, 320]),
    auxiliary_head=dict(in_channels=160))
