# DIST (Huang et al., 2022, arXiv 2205.10536) between the models of Fashion-MNIST, with the authors' weights.
# Command: python tools/train.py configs/fashion/methods/dist.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        dist=dict(
            loss=dict(type='mmkd.DISTLoss', beta=1.0, gamma=1.0, temperature=1.0),
            student='logits', teacher='logits', weight=2.0)))
