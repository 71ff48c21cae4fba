# Convolution on Your 12x Wide Feature; ConvNeSt-P, 8.6 M parameters; mmkd.ConvNeSt
_base_ = './convnest-tiny.py'
model = dict(backbone=dict(arch='pico', drop_path_rate=0.0), head=dict(in_channels=256))
