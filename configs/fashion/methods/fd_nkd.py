# FD and NKD together, as Huang et al. (2023, "Are Large Kernels Better Teachers than Transformers for ConvNets?")
# combine them, between the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/fd_nkd.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        fd=dict(
            loss=dict(type='mmkd.FDLoss', beta=2.0),
            student='stage3', teacher='stage3', connector=dict(type='mmkd.ConvConnector'), weight=1.0),
        nkd=dict(
            loss=dict(type='mmkd.NKDLoss', temperature=1.0, gamma=1.5),
            student='logits', teacher='logits', weight=1.0)))
