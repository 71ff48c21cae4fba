# Isotropic ConvNeXt-A of ConvNeSt's Table 4; 3.4 M parameters, 0.63 G FLOPs; mmpretrain
# The paper prints no width and depth: these give both figures, with the depth of DeiT.
_base_ = './convnext-iso-small.py'
model = dict(
    backbone=dict(arch=dict(depths=[12], channels=[176])),
    head=dict(in_channels=176))
