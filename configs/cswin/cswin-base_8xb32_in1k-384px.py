# Paper:   CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows; Table 2, CSWin-B at
#          384x384, arXiv 2107.00652: the 224x224 model, fine-tuned for 30 epochs (appendix)
# Command: bash tools/dist_train.sh configs/cswin/cswin-base_8xb32_in1k-384px.py 8     (8 GPUs x 32 images = 256)
# Figure:  85.4 top1 (78 M parameters, 47.0 G FLOPs)
# Weights: those of cswin-base_8xb128_in1k; give another file with --cfg-options load_from=FILE
# Status:  not run here; needs 8 GPUs with 80 GB (or backbone.with_cp and 40 GB) and ImageNet-1K in data/imagenet
_base_ = [
    '../_base_/models/cswin-base.py',
    '../_base_/datasets/imagenet_bs64_swin_384.py',
    'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py',
    'mmpretrain::_base_/default_runtime.py',
]

# What follows is the authors' command for this model.
model = dict(
    backbone=dict(stripe_widths=(1, 2, 12), drop_path_rate=0.7),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.1), dict(type='CutMix', alpha=0.1)]))

train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=5e-6, weight_decay=1e-8))
# A cosine of 20 epochs, then 10 at its end; no warm-up.
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=5e-7, by_epoch=True, T_max=20, end=21)]
train_cfg = dict(max_epochs=30)
custom_hooks = [dict(type='mmkd.EMAHook', momentum=2e-4, priority='ABOVE_NORMAL')]
load_from = 'work_dirs/cswin-base_8xb128_in1k/epoch_310.pth'
auto_scale_lr = dict(base_batch_size=256)
