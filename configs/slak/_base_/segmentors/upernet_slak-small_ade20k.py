# UPerNet with SLaK-S, the model of the authors' published segmentor
_base_ = './upernet_slak-tiny_ade20k.py'
model = dict(backbone=dict(arch='small', drop_path_rate=0.3, init_cfg=dict(checkpoint='slak-small_in1k')))
