# Mask R-CNN on the digit scenes, its backbone from scratch.
# Command: python tools/train.py configs/quickstart/mask-rcnn_convnest-mini_digits.py
# status: reproduced (two CPU cores; see the quick start's table in README.md)
_base_ = [
    '_base_/models/mask-rcnn.py', '_base_/datasets/digits_coco.py', '_base_/schedule_scenes.py', '_base_/runtime.py'
]
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
optim_wrapper = dict(optimizer=dict(lr=1e-3))
