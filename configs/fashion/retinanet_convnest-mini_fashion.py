# RetinaNet on the fashion scenes, its backbone from scratch.
# Command: python tools/train.py configs/fashion/retinanet_convnest-mini_fashion.py
# status: reproduced (one CPU core, three seeds: bbox_mAP 59.4 on the val scenes; see docs/fashion.md)
_base_ = [
    '_base_/models/retinanet.py', '_base_/datasets/fashion_coco.py', '_base_/schedule_scenes.py', '_base_/runtime.py'
]
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
val_evaluator = dict(metric='bbox')  # it has no masks
test_evaluator = val_evaluator
