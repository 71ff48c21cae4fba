# Five labelled digits a class, for mmpretrain: the 50 images are repeated to 20 iterations of 50 an epoch.
# Other draws: --cfg-options train_dataloader.dataset.dataset.ann_file=meta/train_5_per_class_seed1.txt (to 4)
_base_ = './digits_cls.py'

train_dataloader = dict(
    batch_size=50,
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=20,
        dataset=dict(
            type='CustomDataset',
            data_root='data/digits/',
            ann_file='meta/train_5_per_class_seed0.txt',
            data_prefix='train',
            metainfo=_base_.metainfo,
            pipeline=_base_.train_pipeline)))
