# ReviewKD (Chen et al., 2021) between the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/reviewkd.py
# status: not run here (one CPU core, after the teacher's run)
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
