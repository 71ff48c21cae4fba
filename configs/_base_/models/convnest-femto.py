# Convolution on Your 12x Wide Feature; ConvNeSt-F, 5.1 M parameters; mmkd.ConvNeSt
_base_ = './convnest-tiny.py'
model = dict(backbone=dict(arch='femto', drop_path_rate=0.0), head=dict(in_channels=192))
