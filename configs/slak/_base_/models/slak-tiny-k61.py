# SLaK-T with kernels of up to 61x61
_base_ = '../../../_base_/models/slak-tiny.py'
model = dict(backbone=dict(kernel_sizes=(61, 59, 57, 13)))
