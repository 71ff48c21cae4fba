# Fashion-MNIST for mmpretrain: 60,000 labelled photographs of 28×28, 10 kinds of clothing, and 10,000 to test.
# The last 5,000 of the 60,000 are for validation: what is chosen is chosen by them, and the test set is read once.
# Put the files in place with: python tools/dataset_converters/fashion.py
dataset_type = 'FashionMNIST'
data_root = 'data/fashion/'
data_preprocessor = dict(
    num_classes=10,
    # ImageNet's, in RGB: the detectors and segmentors that take the backbone over use them too
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=False)

train_pipeline = [
    dict(type='mmkd.GreyToRGB'),
    dict(type='RandomCrop', crop_size=28, padding=2),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='mmkd.GreyToRGB'),
    dict(type='PackInputs'),
]

# The images are so small that worker processes would take more time than they save.
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type, data_root=data_root, download=False, indices=55000, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, download=False, indices=-5000, pipeline=test_pipeline))
val_evaluator = dict(type='Accuracy', topk=(1, ))

# `test_mode` chooses the file, `split` alone would not: with it, mmpretrain reads the training images.
test_dataloader = dict(
    batch_size=250,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, download=False, split='test', test_mode=True, pipeline=test_pipeline))
test_evaluator = val_evaluator
