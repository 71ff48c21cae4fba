# SRRL (Yang et al., 2021) between the quick start's models.
# Command: python tools/train.py configs/quickstart/methods/srrl.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(terms=dict(
    _delete_=True,
    srrl=dict(loss=dict(type='mmkd.SRRLLoss', alpha=1.0, beta=1.0),
              student='stage3', teacher=['stage3', 'logits'],
              connector=dict(type='mmkd.ConvConnector', norm=True, act=True), weight=1.0)))
