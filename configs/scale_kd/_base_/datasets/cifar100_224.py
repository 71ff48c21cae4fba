# CIFAR-100 at the size that the backbones of ImageNet-1K take
_base_ = 'mmpretrain::_base_/datasets/cifar100_bs16.py'

resize = dict(type='Resize', scale=224, backend='pillow', interpolation='bicubic')
train_pipeline = [resize, dict(type='RandomFlip', prob=0.5, direction='horizontal'), dict(type='PackInputs')]
test_pipeline = [resize, dict(type='PackInputs')]

train_dataloader = dict(batch_size=128, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=128, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(batch_size=128, dataset=dict(pipeline=test_pipeline))
