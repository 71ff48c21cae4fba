# FD (Wei et al., 2022, arXiv 2205.14141) on the last stage of the quick start's models.
# Command: python tools/train.py configs/quickstart/methods/fd.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        fd=dict(
            loss=dict(type='mmkd.FDLoss', beta=2.0),
            student='stage3', teacher='stage3', connector=dict(type='mmkd.ConvConnector'), weight=1.0)))
