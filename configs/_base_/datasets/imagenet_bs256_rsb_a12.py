# ImageNet-1K as RSB's A1 and A2 train on it: RandAugment 7/0.5; 224x224, with mmkd's faster crops
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs256_rsb_a12.py'

faster = dict(
    RandomResizedCrop=dict(type='mmkd.RandomResizedCrop', backend='pillow_torch'),
    RandAugment=dict(type='mmkd.RandAugment'))
train_pipeline = [step | faster.get(step['type'], {}) for step in _base_.train_pipeline]
del faster
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmkd.ResizeEdge', scale=235, crop_size=224, edge='short', interpolation='bicubic'),  # 0.95
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
