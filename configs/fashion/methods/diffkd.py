# DiffKD (Huang et al., 2023) between the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/diffkd.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(terms=dict(
    _delete_=True,
    diffkd_feature=dict(loss=dict(type='mmkd.DiffKDLoss', autoencoder_channels=128),
                        student='stage3', teacher='stage3', weight=1.0),
    diffkd_logit=dict(loss=dict(type='mmkd.DiffKDLoss', temperature=1.0),
                      student='logits', teacher='logits', weight=1.0)))
