# CC (Peng et al., 2019) between the quick start's models.
# The paper's loss on kernel matrices, whose values are small (0.05 in the first epoch here):
# --cfg-options model.terms.cc.loss.variant=kernel model.terms.cc.weight=100
# Command: python tools/train.py configs/quickstart/methods/cc.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        cc=dict(
            loss=dict(type='mmkd.CCLoss', variant='pairwise'),
            student='pre_logits',
            teacher='pre_logits',
            weight=0.02)))
