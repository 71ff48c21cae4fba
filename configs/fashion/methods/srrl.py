# SRRL (Yang et al., 2021) between the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/srrl.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(terms=dict(
    _delete_=True,
    srrl=dict(loss=dict(type='mmkd.SRRLLoss', alpha=1.0, beta=1.0),
              student='stage3', teacher=['stage3', 'logits'],
              connector=dict(type='mmkd.ConvConnector', norm=True, act=True), weight=1.0)))
