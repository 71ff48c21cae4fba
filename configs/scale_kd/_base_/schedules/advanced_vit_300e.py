# Table 10 (b): the advanced strategy, ViT. The table prints beta2 as 0.009, which is read as 0.999. Neither it nor the
# authors' configs have mixup or cutmix; gradient clipping and what does not decay are those of
# the configs
_base_ = [
    '../../../_base_/datasets/imagenet_bs64_swin_224.py',
    'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py',  # AdamW 1e-3, 300 epochs, 20 of warm-up, cosine
    'mmpretrain::_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=32)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'.pos_embed': dict(decay_mult=0.), '.position': dict(decay_mult=0.)}),
    clip_grad=dict(max_norm=5.0))
