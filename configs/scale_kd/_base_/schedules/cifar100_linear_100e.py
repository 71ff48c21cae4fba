# Linear probing; the paper has no schedule for it, this is mmpretrain's for frozen backbones
_base_ = [
    '../datasets/cifar100_224.py',
    'mmpretrain::_base_/schedules/imagenet_sgd_coslr_100e.py',
    'mmpretrain::_base_/default_runtime.py',
]
auto_scale_lr = dict(base_batch_size=1024)
