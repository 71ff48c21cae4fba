# The other student alone on Fashion-MNIST: a small ResNet on 55,000 labelled images.
# Command: python tools/train.py configs/fashion/resnet8_fashion.py
# status: not run here to its end (one CPU core; with 5 of the 10 epochs, seed 0: top-1 88.1 on the test set)
_base_ = ['_base_/models/resnet8.py', '_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.ChannelsLastHook')]
