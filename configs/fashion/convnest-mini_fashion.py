# The student alone on Fashion-MNIST: a small ConvNeSt on 55,000 labelled images.
# Command: python tools/train.py configs/fashion/convnest-mini_fashion.py
# status: reproduced (one CPU core, seed 0: top-1 90.8 on the test set, 90.9 on the validation split)
_base_ = [
    '_base_/models/convnest-mini.py', '_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py'
]
