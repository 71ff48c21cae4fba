# ImageNet-1K at 384x384, augmented as at 224x224; tested on the whole image, as ConvNeXt is
_base_ = '../../../_base_/datasets/imagenet_bs64_swin_384.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmkd.RandomResizedCrop', scale=384, backend='pillow_torch', interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='mmkd.RandAugment',
        policies='timm_increasing',
        num_policies=2,
        total_level=10,
        magnitude_level=9,
        magnitude_std=0.5,
        hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic')),
    dict(
        type='mmkd.RandomErasing',
        erase_prob=0.25,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        fill_color=[103.53, 116.28, 123.675],
        fill_std=[57.375, 57.12, 58.395]),
    dict(type='PackInputs'),
]

train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
