# The quick start's student alone: a small ConvNeSt on five labelled digits a class.
# Command: python tools/train.py configs/quickstart/convnest-mini_digits-5shot.py
# status: reproduced (two CPU cores; see the quick start's table in README.md)
_base_ = [
    '_base_/models/convnest-mini.py', '_base_/datasets/digits_few_cls.py', '_base_/schedule_cls.py',
    '_base_/runtime.py'
]
