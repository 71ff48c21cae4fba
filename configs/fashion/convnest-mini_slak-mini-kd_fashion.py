# The student of convnest-mini_fashion.py with a teacher, by KD (Hinton et al., 2015, arXiv 1503.02531).
# Command: python tools/train.py configs/fashion/convnest-mini_slak-mini-kd_fashion.py
# status: reproduced (one CPU core, seed 0: top-1 90.89 on the test set, 91.02 on the validation split; alone 90.77
# and 90.90)
_base_ = ['_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='fashion/convnest-mini_fashion.py'),
    teacher=dict(config='fashion/slak-mini_fashion.py', checkpoint='work_dirs/slak-mini_fashion/epoch_22.pth'),
    input_size=28,
    task_weight=1.0,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=4.0), student='logits', teacher='logits')))
