# Tables 9 (A, F, P, N) and 10: as the other one, with 50 epochs of warm-up
_base_ = './adamw_bs4096_300e_warmup20.py'

param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=True, end=50, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=True, begin=50),
]
