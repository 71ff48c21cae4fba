# The other student alone on Fashion-MNIST: a small ResNet on 55,000 labelled images.
# Command: python tools/train.py configs/fashion/resnet8_fashion.py
# It gets the pictures as they are, the same in each epoch, and learns a part of them by heart.
# status: reproduced (one CPU core, three seeds: top-1 91.9 ± 0.1 on the test set, as in docs/fashion.md)
_base_ = ['_base_/models/resnet8.py', '_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
train_pipeline = [dict(type='mmkd.GreyToRGB'), dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_epochs=8)
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.ChannelsLastHook')]
