# UperNet on the digit scenes, its backbone from scratch.
# Command: python tools/train.py configs/quickstart/upernet_convnest-mini_digits.py
# status: reproduced (two CPU cores; see the quick start's table in README.md)
_base_ = [
    '_base_/models/upernet.py', '_base_/datasets/digits_ade.py', '_base_/schedule_scenes.py', '_base_/runtime.py'
]
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
