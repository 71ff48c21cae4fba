# Table 10 (b): the advanced strategy, CNN. The table prints beta2 as 0.009, which is read as 0.999. Neither it nor the
# authors' configs have mixup or cutmix; start of the warm-up and gradient clipping are those of the configs
_base_ = [
    '../datasets/in1k_randaug7_224.py',
    'mmpretrain::_base_/schedules/imagenet_bs2048_rsb.py',
    'mmpretrain::_base_/default_runtime.py',
]

optim_wrapper = dict(
    optimizer=dict(lr=5e-3, weight_decay=0.02, betas=(0.9, 0.999), eps=1e-8), clip_grad=dict(max_norm=5.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.25, by_epoch=True, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=5),
]
train_cfg = dict(max_epochs=300)
