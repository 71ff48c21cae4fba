# Training data-efficient image transformers, arXiv 2012.12877; DeiT-B, 86.57 M parameters; mmpretrain
_base_ = './deit-tiny.py'
model = dict(backbone=dict(arch='deit-base', drop_path_rate=0.1), head=dict(in_channels=768))
