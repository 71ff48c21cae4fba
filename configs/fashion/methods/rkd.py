# RKD (Park et al., 2019) between the models of Fashion-MNIST: distances and angles among the images of a batch.
# Command: python tools/train.py configs/fashion/methods/rkd.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        rkd=dict(
            loss=dict(type='mmkd.RKDLoss', distance_weight=25.0, angle_weight=50.0),
            student='pre_logits',
            teacher='pre_logits')))
