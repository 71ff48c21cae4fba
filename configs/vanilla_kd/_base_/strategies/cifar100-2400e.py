# The "stronger recipe" of Table 1b: 2400 epochs and more augmentation. Which one is in an appendix that we do not have;
# here it is that of strategy A2: RandAugment 7/0.5, and (in the students) mixup and cutmix.
_base_ = ['./cifar100.py', '../datasets/rand_augment.py']

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='RandAugment',
        policies=_base_.rand_augment_policies,
        num_policies=2,
        total_level=10,
        magnitude_level=7,
        magnitude_std=0.5,
        hparams=dict(pad_val=[129, 124, 112], interpolation='bicubic')),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
param_scheduler = dict(milestones=[1500, 1800, 2100])
train_cfg = dict(max_epochs=2400)
