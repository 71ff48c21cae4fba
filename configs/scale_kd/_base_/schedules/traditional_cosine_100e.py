# Table 10 (a): the traditional strategy, with cosine decay as the authors' configs have it for MobileNet-V1
_base_ = [
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    'mmpretrain::_base_/schedules/imagenet_bs256_coslr.py',
    'mmpretrain::_base_/default_runtime.py',
]
