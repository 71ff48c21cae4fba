# The quick start's distilled student: the same student, images and schedule, and a teacher.
# Command: python tools/train.py configs/quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py
# status: reproduced (two CPU cores; see the quick start's table in README.md)
_base_ = ['_base_/datasets/digits_few_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='quickstart/convnest-mini_digits-5shot.py'),
    teacher=dict(
        config='quickstart/slak-mini_digits.py', checkpoint='work_dirs/quickstart/teacher/epoch_15.pth'),
    input_size=32,
    task_weight=1.0,
    terms=dict(nkd=dict(loss=dict(type='mmkd.NKDLoss', temperature=1.0, gamma=1.5),
                        student='logits', teacher='logits')))
