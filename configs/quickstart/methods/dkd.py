# DKD (Zhao et al., 2022, arXiv 2203.08679) between the quick start's models.
# Command: python tools/train.py configs/quickstart/methods/dkd.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        dkd=dict(
            loss=dict(type='mmkd.DKDLoss', alpha=1.0, beta=2.0, temperature=1.0),
            student='logits', teacher='logits', weight=1.0)))
