# Strategy A2 of Table 2. What the table leaves open is that of Wightman et al. (arXiv 2110.00476), on which it builds.
_base_ = [
    '../datasets/imagenet_bs256_224.py',  # RandAugment 7/0.5, without inc1
    'mmpretrain::_base_/schedules/imagenet_bs2048_rsb.py',  # LAMB, 5e-3
    'mmpretrain::_base_/default_runtime.py',
]

train_dataloader = dict(sampler=dict(type='RepeatAugSampler', shuffle=True))
optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(weight_decay=0.03),
    paramwise_cfg=dict(bias_decay_mult=0., norm_decay_mult=0., flat_decay_mult=0.))

# The cosine ends with the training, so train_cfg.max_epochs alone sets its length
param_scheduler = [
    dict(type='LinearLR', start_factor=2e-4, by_epoch=True, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=True, begin=5),
]
train_cfg = dict(max_epochs=300)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))
