# The "previous recipe" of Table 1a: SGD, 90 epochs
_base_ = [
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    'mmpretrain::_base_/default_runtime.py',
]

param_scheduler = dict(milestones=[30, 60])
train_cfg = dict(max_epochs=90)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))
