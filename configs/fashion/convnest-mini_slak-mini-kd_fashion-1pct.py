# The student of convnest-mini_fashion-1pct.py with a teacher, by KD, and 1 % of the labels, 550. The teacher had all.
# Command: python tools/train.py configs/fashion/convnest-mini_slak-mini-kd_fashion-1pct.py
# status: not run here (one CPU core, after the teacher's run)
_base_ = ['_base_/datasets/fashion_1pct_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='fashion/convnest-mini_fashion.py'),
    teacher=dict(config='fashion/slak-mini_fashion.py', checkpoint='work_dirs/slak-mini_fashion/epoch_22.pth'),
    input_size=28,
    task_weight=1.0,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=4.0), student='logits', teacher='logits')))
