# RKD (Park et al., 2019) between the quick start's models: distances and angles among the images of a batch.
# Command: python tools/train.py configs/quickstart/methods/rkd.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        rkd=dict(
            loss=dict(type='mmkd.RKDLoss', distance_weight=25.0, angle_weight=50.0),
            student='pre_logits',
            teacher='pre_logits')))
