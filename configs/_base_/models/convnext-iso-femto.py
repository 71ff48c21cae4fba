# Isotropic ConvNeXt-F of ConvNeSt's Table 4; 4.0 M parameters, 0.75 G FLOPs; mmpretrain
# The paper prints no width and depth: these give both figures (0.745 G without norms), with the depth of DeiT.
_base_ = './convnext-iso-small.py'
model = dict(
    backbone=dict(arch=dict(depths=[12], channels=[192])),
    head=dict(in_channels=192))
