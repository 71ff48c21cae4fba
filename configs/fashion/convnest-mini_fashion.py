# The student alone on Fashion-MNIST: a small ConvNeSt on 55,000 labelled images.
# Command: python tools/train.py configs/fashion/convnest-mini_fashion.py
# status: not run here (one CPU core)
_base_ = [
    '_base_/models/convnest-mini.py', '_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py'
]
