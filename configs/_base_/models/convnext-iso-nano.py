# Isotropic ConvNeXt-N of ConvNeSt's Table 4; 11 M parameters, 2.0 G FLOPs; mmpretrain
# The paper prints no width and depth: these give both figures, with the depth of DeiT.
_base_ = './convnext-iso-small.py'
model = dict(
    backbone=dict(arch=dict(depths=[12], channels=[320])),
    head=dict(in_channels=320))
