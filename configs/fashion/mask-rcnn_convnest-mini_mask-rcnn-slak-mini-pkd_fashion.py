# A larger Mask R-CNN teaches a smaller one: the levels of its feature pyramid, by their correlation (PKD,
# Cao et al., 2022, arXiv 2207.02039). The weight is the authors' for two-stage detectors.
# Command: python tools/train.py configs/fashion/mask-rcnn_convnest-mini_mask-rcnn-slak-mini-pkd_fashion.py
# status: not run here (one CPU core, after the teacher's run)
_base_ = ['_base_/datasets/fashion_coco.py', '_base_/schedule_scenes.py', '_base_/runtime.py']
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
levels = ['neck1', 'neck2', 'neck3']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='fashion/mask-rcnn_convnest-mini_fashion.py'),
    teacher=dict(
        config='fashion/mask-rcnn_slak-mini_fashion.py',
        checkpoint='work_dirs/mask-rcnn_slak-mini_fashion/epoch_8.pth'),
    input_size=96,
    terms=dict(pkd=dict(loss=dict(type='mmkd.PKDLoss'), student=levels, teacher=levels, weight=6.0)))
