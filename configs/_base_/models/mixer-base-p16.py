# MLP-Mixer, arXiv 2105.01601; Mixer-B/16, 59.88 M parameters; mmpretrain
_base_ = 'mmpretrain::_base_/models/mlp_mixer_base_patch16.py'
model = dict(
    backbone=dict(drop_rate=0.),
    data_preprocessor=dict(num_classes=1000, mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True))
