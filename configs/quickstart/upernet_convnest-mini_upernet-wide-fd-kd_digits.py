# A bigger UperNet teaches a smaller one: the backbone's last stage (FD), and the classes of every position (KD).
# Command: python tools/train.py configs/quickstart/upernet_convnest-mini_upernet-wide-fd-kd_digits.py
# status: reproduced (two CPU cores, after the teacher's run; see docs/compare_methods.md)
_base_ = ['_base_/datasets/digits_ade.py', '_base_/schedule_scenes.py', '_base_/runtime.py']
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
model = dict(
    type='mmkd.Distiller',
    student=dict(config='quickstart/upernet_convnest-mini_digits.py'),
    teacher=dict(
        config='quickstart/upernet_convnest-wide_digits.py',
        checkpoint='work_dirs/upernet_convnest-wide_digits/epoch_8.pth'),
    input_size=96,
    terms=dict(
        fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage3', teacher='stage3',
                connector=dict(type='mmkd.ConvConnector'), weight=0.1),
        kd=dict(loss=dict(type='mmkd.KDLoss', temperature=2.0), student='logits', teacher='logits')))
train_cfg = dict(max_epochs=12, val_interval=12)  # after the usual 4 epochs the students are far from done
