# Tables 7 and 9 (T, S, B): AdamW 4e-3 for a batch of 4096, 300 epochs, 20 of warm-up. The last rate is ConvNeXt's.
_base_ = 'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py'

optim_wrapper = dict(optimizer=dict(lr=4e-3), clip_grad=None)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=True, end=20, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=True, begin=20),
]
auto_scale_lr = dict(base_batch_size=4096)
