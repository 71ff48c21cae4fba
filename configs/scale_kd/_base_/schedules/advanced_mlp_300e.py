# Table 10 (b): the advanced strategy, MLP; gradient clipping is that of the configs
_base_ = './advanced_vit_300e.py'
train_dataloader = dict(batch_size=48)
optim_wrapper = dict(optimizer=dict(lr=7e-4, weight_decay=0.07), clip_grad=dict(max_norm=1.0))
auto_scale_lr = dict(base_batch_size=1536)
