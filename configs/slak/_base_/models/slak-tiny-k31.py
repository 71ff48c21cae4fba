# SLaK-T with kernels of up to 31x31
_base_ = '../../../_base_/models/slak-tiny.py'
model = dict(backbone=dict(kernel_sizes=(31, 29, 27, 13)))
