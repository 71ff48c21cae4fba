# The student of resnet8_fashion.py with EfficientNet-Lite0 as teacher, by KD (Hinton et al., 2015, arXiv 1503.02531).
# Command: python tools/train.py configs/fashion/resnet8_efficientnet-lite0-kd_fashion.py
# status: not run here (one CPU core, after the teacher's run)
_base_ = ['_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='fashion/resnet8_fashion.py'),
    teacher=dict(config='fashion/efficientnet-lite0_fashion.py',
                 checkpoint='work_dirs/efficientnet-lite0_fashion/epoch_5.pth', input_size=64, channels_last=True,
                 dtype='bf16'),
    input_size=28,
    task_weight=1.0,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=4.0), student='logits', teacher='logits')))
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.ChannelsLastHook')]
