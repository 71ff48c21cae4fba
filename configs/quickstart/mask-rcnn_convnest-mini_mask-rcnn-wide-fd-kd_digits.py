# A bigger Mask R-CNN teaches a smaller one: its feature pyramid (FD), and the objectness of its proposals (binary KD).
# Command: python tools/train.py configs/quickstart/mask-rcnn_convnest-mini_mask-rcnn-wide-fd-kd_digits.py
# status: reproduced (two CPU cores, after the teacher's run; see docs/compare_methods.md)
_base_ = ['_base_/datasets/digits_coco.py', '_base_/schedule_scenes.py', '_base_/runtime.py']
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
optim_wrapper = dict(optimizer=dict(lr=1e-3))
pyramid = [f'neck.fpn_convs.{level}' for level in range(3)]
model = dict(
    type='mmkd.Distiller',
    student=dict(config='quickstart/mask-rcnn_convnest-mini_digits.py'),
    teacher=dict(
        config='quickstart/mask-rcnn_convnest-wide_digits.py',
        checkpoint='work_dirs/mask-rcnn_convnest-wide_digits/epoch_8.pth'),
    input_size=96,
    terms=dict(
        fd=dict(loss=dict(type='mmkd.FDLoss'), student=pyramid, teacher=pyramid,
                connector=dict(type='mmkd.ConvConnector')),
        kd=dict(loss=dict(type='mmkd.BinaryKDLoss', teacher_activation='sigmoid'),
                student='logits', teacher='logits')))
