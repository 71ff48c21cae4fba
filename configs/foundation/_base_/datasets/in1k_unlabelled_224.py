# The images of ImageNet-1K without labels to train on; the validation set is as ever. Augmented by crops,
# flips and colours; the teacher sees what the student sees
_base_ = '../../../_base_/datasets/imagenet_bs64_swin_224.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmkd.RandomResizedCrop', scale=224, backend='pillow_torch', interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=128,
    dataset=dict(
        _delete_=True, type='mmkd.UnlabelledImages', data_root='data/imagenet/train', pipeline=train_pipeline))
