# One per cent of the labels: the first 550 training photographs, repeated to the 430 iterations of an epoch.
# Ten per cent: --cfg-options train_dataloader.dataset.times=10 train_dataloader.dataset.dataset.indices=5500
_base_ = './fashion_cls.py'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=100,
        dataset=dict(
            type=_base_.dataset_type, data_root=_base_.data_root, download=False, indices=550,
            pipeline=_base_.train_pipeline)))
