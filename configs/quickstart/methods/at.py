# AT (Zagoruyko and Komodakis, 2017) between the quick start's models. The usual weight is 1000 for maps of 32×32,
# 16×16 and 8×8; the loss is a mean over positions, and these maps have 16 times fewer.
# Command: python tools/train.py configs/quickstart/methods/at.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
stages = ['stage1', 'stage2', 'stage3']
model = dict(
    terms=dict(_delete_=True, at=dict(loss=dict(type='mmkd.ATLoss'), student=stages, teacher=stages, weight=60.0)))
