# Training data-efficient image transformers, arXiv 2012.12877; DeiT-S, 22.05 M parameters; mmpretrain
_base_ = './deit-tiny.py'
model = dict(backbone=dict(arch='deit-small'), head=dict(in_channels=384))
