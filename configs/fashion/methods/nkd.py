# NKD (Yang et al., 2022, arXiv 2208.10139) between the models of Fashion-MNIST, in its setting for small images.
# Command: python tools/train.py configs/fashion/methods/nkd.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        nkd=dict(
            loss=dict(type='mmkd.NKDLoss', temperature=3.0, gamma=3.5),
            student='logits', teacher='logits', weight=1.0)))
