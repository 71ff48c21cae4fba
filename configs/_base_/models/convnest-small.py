# Convolution on Your 12x Wide Feature; ConvNeSt-S, 50.1 M parameters; mmkd.ConvNeSt
_base_ = './convnest-tiny.py'
model = dict(backbone=dict(arch='small', drop_path_rate=0.4), head=dict(in_channels=448))
