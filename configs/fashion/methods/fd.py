# FD (Wei et al., 2022, arXiv 2205.14141) on the last stage of the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/fd.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        fd=dict(
            loss=dict(type='mmkd.FDLoss', beta=2.0),
            student='stage3', teacher='stage3', connector=dict(type='mmkd.ConvConnector'), weight=1.0)))
