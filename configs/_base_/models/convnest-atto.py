# Convolution on Your 12x Wide Feature; ConvNeSt-A, 3.7 M parameters; mmkd.ConvNeSt
_base_ = './convnest-tiny.py'
model = dict(backbone=dict(arch='atto', drop_path_rate=0.0), head=dict(in_channels=160))
