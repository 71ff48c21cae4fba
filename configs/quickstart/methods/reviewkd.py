# ReviewKD (Chen et al., 2021) between the quick start's models.
# Command: python tools/train.py configs/quickstart/methods/reviewkd.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
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
