# DIST (Huang et al., 2022, arXiv 2205.10536) between the quick start's models, with the authors' weights.
# Command: python tools/train.py configs/quickstart/methods/dist.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        dist=dict(
            loss=dict(type='mmkd.DISTLoss', beta=1.0, gamma=1.0, temperature=1.0),
            student='logits', teacher='logits', weight=2.0)))
