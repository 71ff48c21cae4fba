# Table 10 (a): the traditional strategy, with stepwise decay as the authors' configs have it for ResNet-50
_base_ = [
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    'mmpretrain::_base_/default_runtime.py',
]
