# The teacher on Fashion-MNIST: a SLaK with 51×51 kernels on 55,000 labelled images.
# Command: python tools/train.py configs/fashion/slak-mini_fashion.py
# status: reproduced (one CPU core, seed 0: top-1 92.9 on the test set, 93.0 on the validation split)
_base_ = [
    '_base_/models/slak-mini.py', '_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py'
]
train_pipeline = [
    dict(type='mmkd.GreyToRGB'),
    dict(type='RandomCrop', crop_size=28, padding=2),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmkd.RandomErasing', erase_prob=0.25, mode='rand', min_area_ratio=0.02, max_area_ratio=0.2,
         fill_color=[123.675, 116.28, 103.53], fill_std=[58.395, 57.12, 57.375]),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_epochs=22)
