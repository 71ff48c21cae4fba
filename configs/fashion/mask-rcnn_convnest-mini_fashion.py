# Mask R-CNN on the fashion scenes, its backbone from scratch.
# Command: python tools/train.py configs/fashion/mask-rcnn_convnest-mini_fashion.py
# status: not run here (one CPU core)
_base_ = [
    '_base_/models/mask-rcnn.py', '_base_/datasets/fashion_coco.py', '_base_/schedule_scenes.py', '_base_/runtime.py'
]
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
