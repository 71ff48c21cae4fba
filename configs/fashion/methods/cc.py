# CC (Peng et al., 2019) between the models of Fashion-MNIST.
# The paper's loss on kernel matrices, whose values are small:
# --cfg-options model.terms.cc.loss.variant=kernel model.terms.cc.weight=100
# Command: python tools/train.py configs/fashion/methods/cc.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        cc=dict(
            loss=dict(type='mmkd.CCLoss', variant='pairwise'),
            student='pre_logits',
            teacher='pre_logits',
            weight=0.02)))
