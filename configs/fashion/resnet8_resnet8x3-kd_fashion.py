# The student of resnet8_fashion.py with a ResNet three times as wide as teacher, by KD (Hinton et al., 2015, arXiv
# 1503.02531). It sees the same pictures in each epoch, so that a cache of one epoch has all of the teacher's answers.
# Command: python tools/train.py configs/fashion/resnet8_resnet8x3-kd_fashion.py
# status: reproduced (one CPU core, three seeds: top-1 92.3 ± 0.03 on the test set, alone 91.9 ± 0.1; docs/fashion.md)
_base_ = ['_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='fashion/resnet8_fashion.py'),
    teacher=dict(config='fashion/resnet8x3_fashion.py', checkpoint='work_dirs/resnet8x3_fashion/epoch_10.pth',
                 channels_last=True),
    input_size=28,
    task_weight=1.0,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=4.0), student='logits', teacher='logits')))
train_pipeline = [dict(type='mmkd.GreyToRGB'), dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_epochs=8)
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.ChannelsLastHook')]
