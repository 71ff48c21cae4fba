# A larger RetinaNet teaches a smaller one: the levels of its feature pyramid, by their correlation (PKD,
# Cao et al., 2022, arXiv 2207.02039). The weight is the authors' for RetinaNet.
# Command: python tools/train.py configs/fashion/retinanet_convnest-mini_retinanet-slak-mini-pkd_fashion.py
# status: reproduced (one CPU core, three seeds: bbox_mAP 63.9 on the val scenes; see docs/fashion.md)
_base_ = ['_base_/datasets/fashion_coco.py', '_base_/schedule_scenes.py', '_base_/runtime.py']
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
val_evaluator = dict(metric='bbox')  # it has no masks
test_evaluator = val_evaluator
levels = ['neck1', 'neck2', 'neck3', 'neck4']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='fashion/retinanet_convnest-mini_fashion.py'),
    teacher=dict(
        config='fashion/retinanet_slak-mini_fashion.py',
        checkpoint='work_dirs/retinanet_slak-mini_fashion/epoch_8.pth'),
    input_size=96,
    terms=dict(pkd=dict(loss=dict(type='mmkd.PKDLoss'), student=levels, teacher=levels, weight=10.0)))
