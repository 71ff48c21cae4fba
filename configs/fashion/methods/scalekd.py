# ScaleKD (Fan et al., 2024) between the models of Fashion-MNIST: the last two stages of both, and KD on the logits.
# Command: python tools/train.py configs/fashion/methods/scalekd.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
# The authors halve the label loss and the KD, and weigh the two views by 0.08 and 0.06.
model = dict(
    task_weight=0.5,
    terms=dict(
        _delete_=True,
        scalekd=dict(
            loss=dict(type='mmkd.ScaleKDLoss', beta=4 / 7, num_heads=[4, 8]),
            student=['stage2', 'stage3'],
            teacher=['stage2', 'stage3'],
            weight=0.14),
        kd=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=0.5)))
