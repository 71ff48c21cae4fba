# UPerNet with SLaK-B, the model of the authors' published segmentor
_base_ = './upernet_slak-tiny_ade20k.py'
model = dict(
    backbone=dict(arch='base', init_cfg=dict(checkpoint='slak-base_in1k')),
    decode_head=dict(in_channels=[166, 332, 665, 1331]),
    auxiliary_head=dict(in_channels=665))
