# MLP-Mixer, arXiv 2105.01601; Mixer-S/16, 18.53 M parameters; mmpretrain
_base_ = './mixer-base-p16.py'
model = dict(backbone=dict(arch='s'), head=dict(in_channels=512))
