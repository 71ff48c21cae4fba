# PSPNet on the fashion scenes, its backbone from scratch.
# Command: python tools/train.py configs/fashion/pspnet_convnest-mini_fashion.py
# status: reproduced (one CPU core, three seeds: mIoU 53.1 on the val scenes; see docs/fashion.md)
_base_ = [
    '_base_/models/pspnet.py', '_base_/datasets/fashion_ade.py', '_base_/schedule_scenes.py', '_base_/runtime.py'
]
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
