# Table 10 (b): the advanced strategy, ViT, at 336x336
_base_ = [
    '../datasets/in1k_clip_336.py',
    'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py',
    'mmpretrain::_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=32)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'.pos_embed': dict(decay_mult=0.), '.position': dict(decay_mult=0.)}),
    clip_grad=dict(max_norm=5.0))
