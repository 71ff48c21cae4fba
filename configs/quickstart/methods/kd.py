# KD (Hinton et al., 2015, arXiv 1503.02531) between the quick start's models.
# Command: python tools/train.py configs/quickstart/methods/kd.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        kd=dict(loss=dict(type='mmkd.KDLoss', temperature=4.0), student='logits', teacher='logits', weight=1.0)))
