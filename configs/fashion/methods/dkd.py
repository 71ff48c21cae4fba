# DKD (Zhao et al., 2022, arXiv 2203.08679) between the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/dkd.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        dkd=dict(
            loss=dict(type='mmkd.DKDLoss', alpha=1.0, beta=2.0, temperature=1.0),
            student='logits', teacher='logits', weight=1.0)))
