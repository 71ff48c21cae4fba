# AT (Zagoruyko and Komodakis, 2017) between the models of Fashion-MNIST. The usual weight is 1000 for maps of 32×32,
# 16×16 and 8×8; the loss is a mean over positions, and these maps have five times fewer.
# Command: python tools/train.py configs/fashion/methods/at.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
stages = ['stage1', 'stage2', 'stage3']
model = dict(
    terms=dict(_delete_=True, at=dict(loss=dict(type='mmkd.ATLoss'), student=stages, teacher=stages, weight=200.0)))
