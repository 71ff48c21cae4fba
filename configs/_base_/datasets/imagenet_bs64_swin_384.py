# ImageNet-1K at 384x384, as Swin is fine-tuned on it, with mmkd's faster crops
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs64_swin_384.py'

faster = dict(
    RandomResizedCrop=dict(type='mmkd.RandomResizedCrop', backend='pillow_torch'),
    RandomErasing=dict(type='mmkd.RandomErasing'))
train_pipeline = [step | faster.get(step['type'], {}) for step in _base_.train_pipeline]
del faster
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
