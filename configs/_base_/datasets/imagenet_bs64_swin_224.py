# ImageNet-1K as Swin and ConvNeXt train on it: RandAugment 9/0.5, random erasing; with mmkd's faster transforms
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py'

train_pipeline = [
    step | dict(type=f"mmkd.{step['type']}") if step['type'] in ('RandomResizedCrop', 'RandomErasing') else step
    for step in _base_.train_pipeline
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmkd.ResizeEdge', scale=256, crop_size=224, edge='short', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
