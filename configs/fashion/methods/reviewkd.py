# ReviewKD (Chen et al., 2021) between the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/reviewkd.py
# status: reproduced (one CPU core, seed 0: top-1 91.47 on the test set, 91.58 on the validation split; alone 90.77 and
# 90.90)
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
taps = ['stage1', 'stage2', 'stage3', 'pre_logits']
model = dict(
    terms=dict(
        _delete_=True,
        reviewkd=dict(
            loss=dict(type='mmkd.ReviewKDLoss'),
            connector=dict(type='mmkd.AttentionFusionConnector'),
            student=taps,
            teacher=taps,
            weight=dict(value=1.0, warmup=3))))
