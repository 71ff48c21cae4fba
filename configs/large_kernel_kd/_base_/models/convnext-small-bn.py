# ConvNeXt-S with a batch norm after each 7x7 convolution
_base_ = './convnext-tiny-bn.py'
model = dict(backbone=dict(arch='small'))
