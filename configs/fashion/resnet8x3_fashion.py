# The teacher of the ResNet on Fashion-MNIST: the same, three times as wide, on 55,000 labelled images.
# Command: python tools/train.py configs/fashion/resnet8x3_fashion.py
# status: reproduced (one CPU core, seed 0: top-1 92.9 on the test set, 93.3 on the validation split)
_base_ = ['_base_/models/resnet8.py', '_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
model = dict(backbone=dict(channels=[32, 48, 96, 192]), head=dict(in_channels=192))
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.ChannelsLastHook')]
