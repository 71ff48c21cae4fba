# Isotropic ConvNeXt-T of ConvNeSt's Table 4; 15 M parameters, 2.9 G FLOPs; mmpretrain
# The paper prints no width and depth: these give both figures, with the depth of DeiT.
_base_ = './convnext-iso-small.py'
model = dict(
    backbone=dict(arch=dict(depths=[12], channels=[384])),
    head=dict(in_channels=384))
