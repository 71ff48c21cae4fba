# NKD (Yang et al., 2022, arXiv 2208.10139) between the quick start's models, in its setting for small images.
# Command: python tools/train.py configs/quickstart/methods/nkd.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        nkd=dict(
            loss=dict(type='mmkd.NKDLoss', temperature=3.0, gamma=3.5),
            student='logits', teacher='logits', weight=1.0)))
