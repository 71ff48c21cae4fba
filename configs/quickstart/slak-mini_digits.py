# The quick start's teacher: a SLaK with 51×51 kernels on all 1,297 training digits.
# Command: python tools/train.py configs/quickstart/slak-mini_digits.py
# status: reproduced (two CPU cores; see the quick start's table in README.md)
_base_ = [
    '_base_/models/slak-mini.py', '_base_/datasets/digits_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py'
]
optim_wrapper = dict(optimizer=dict(lr=3e-3))
train_cfg = dict(max_epochs=15, val_interval=5)
