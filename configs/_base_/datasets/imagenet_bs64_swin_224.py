# ImageNet-1K as Swin and ConvNeXt train on it: RandAugment 9/0.5, random erasing; with mmkd's faster transforms
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py'

faster = dict(
    RandomResizedCrop=dict(type='mmkd.RandomResizedCrop', backend='pillow_torch'),
    RandAugment=dict(type='mmkd.RandAugment'),
    RandomErasing=dict(type='mmkd.RandomErasing'))
train_pipeline = [step | faster.get(step['type'], {}) for step in _base_.train_pipeline]
del faster
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmkd.ResizeEdge', scale=256, crop_size=224, edge='short', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
