# AM-RADIO's loss (Ranzinger et al., 2024, arXiv 2312.06709) on the last stage of the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/cosine_smooth_l1.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        features=dict(
            loss=dict(type='mmkd.CosineSmoothL1Loss', alpha=0.9, beta=0.1),
            student='stage3', teacher='stage3', connector=dict(type='mmkd.ConvConnector'), weight=1.0)))
