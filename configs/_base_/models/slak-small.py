# More ConvNets in the 2020s, arXiv 2207.03620; SLaK-S, 91.1 M parameters
# 55 M of them are not 0 at 40 % sparsity; mmkd.SLaK
_base_ = './slak-tiny.py'
model = dict(backbone=dict(arch='small', drop_path_rate=0.4))
