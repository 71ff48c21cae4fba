# DiffKD (Huang et al., 2023) between the quick start's models.
# Command: python tools/train.py configs/quickstart/methods/diffkd.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(terms=dict(
    _delete_=True,
    diffkd_feature=dict(loss=dict(type='mmkd.DiffKDLoss', autoencoder_channels=128),
                        student='stage3', teacher='stage3', weight=1.0),
    diffkd_logit=dict(loss=dict(type='mmkd.DiffKDLoss', temperature=1.0),
                      student='logits', teacher='logits', weight=1.0)))
