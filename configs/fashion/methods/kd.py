# KD (Hinton et al., 2015, arXiv 1503.02531) between the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/kd.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        kd=dict(loss=dict(type='mmkd.KDLoss', temperature=4.0), student='logits', teacher='logits', weight=1.0)))
