# BinaryKD, "BKL" of Hao et al. (2023, arXiv 2305.15781, Eq. 3), between the quick start's models. The student's own
# loss is the binary cross entropy that it belongs to; both are summed over the classes.
# Command: python tools/train.py configs/quickstart/methods/binary_kd.py
# status: reproduced (two CPU cores; described in docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    student=dict(options={'model.head.loss.use_sigmoid': True}),
    terms=dict(
        _delete_=True,
        binary_kd=dict(
            loss=dict(type='mmkd.BinaryKDLoss', reduction='sum'),
            student='logits', teacher='logits', weight=1.0)))
data_preprocessor = dict(to_onehot=True)  # the form of labels that a binary cross entropy takes
