# The student alone on Fashion-MNIST with 1 % of the labels, 550.
# Command: python tools/train.py configs/fashion/convnest-mini_fashion-1pct.py
# status: not run here (one CPU core)
_base_ = [
    '_base_/models/convnest-mini.py', '_base_/datasets/fashion_1pct_cls.py', '_base_/schedule_cls.py',
    '_base_/runtime.py'
]
