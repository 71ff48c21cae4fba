# Convolution on Your 12x Wide Feature; ConvNeSt-N, 15.1 M parameters; mmkd.ConvNeSt
_base_ = './convnest-tiny.py'
model = dict(backbone=dict(arch='nano', drop_path_rate=0.0), head=dict(in_channels=320))
