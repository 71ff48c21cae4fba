# Isotropic ConvNeXt-P of ConvNeSt's Table 4; 7 M parameters, 1.3 G FLOPs; mmpretrain
# The paper prints no width and depth: these give both figures, with the depth of DeiT.
_base_ = './convnext-iso-small.py'
model = dict(
    backbone=dict(arch=dict(depths=[12], channels=[256])),
    head=dict(in_channels=256))
