# AdamW, 1e-3 and 0.05 for a batch of 1024, as ConvNeXt is trained, for 100 epochs of which 5 warm up. No paper has a
# schedule for these students: AM-RADIO and DINOv3 train ViTs, on far more images
_base_ = ['mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py', 'mmpretrain::_base_/default_runtime.py']

optim_wrapper = dict(clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=True, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=True, begin=5),
]
train_cfg = dict(max_epochs=100)
