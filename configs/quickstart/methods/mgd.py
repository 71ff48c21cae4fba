# MGD (Yang et al., 2022) between the quick start's models.
# Command: python tools/train.py configs/quickstart/methods/mgd.py
# The weight is the paper's 7e-5 for maps of 512×7×7, times 24.5 for the fewer elements of 256×2×2.
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(terms=dict(
    _delete_=True,
    mgd=dict(loss=dict(type='mmkd.MGDLoss', mask='channel', mask_ratio=0.15),
             student='stage3', teacher='stage3', connector=dict(type='mmkd.ConvConnector'), weight=1.7e-3)))
