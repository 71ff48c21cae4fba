# More ConvNets in the 2020s, arXiv 2207.03620; SLaK-B, 158.0 M parameters
# 95 M of them are not 0 at 40 % sparsity; mmkd.SLaK
_base_ = './slak-tiny.py'
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.5),
    head=dict(in_channels=1331))  # int(1024 * 1.3)
