# Convolution on Your 12x Wide Feature; ConvNeSt-B, 89.6 M parameters; mmkd.ConvNeSt
_base_ = './convnest-tiny.py'
model = dict(backbone=dict(arch='base', drop_path_rate=0.4), head=dict(in_channels=576))
