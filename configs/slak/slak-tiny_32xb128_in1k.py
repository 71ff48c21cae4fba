# Paper:   More ConvNets in the 2020s: Scaling up Kernels Beyond 51x51 using Sparsity; SLaK-T, arXiv 2207.03620
#          Also: Table 6 of arXiv 2305.19412 and Table 4 of "Convolution on Your 12x Wide Feature"
# Command: bash tools/dist_train.sh configs/slak/slak-tiny_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096)
# Figure:  82.5 top1 (30 M parameters, 5.0 G FLOPs at 40 % sparsity; dense they would be 50.7 M, 8.7 G)
# Differs: the numbers of the sparse training (interval, prune rate) and the last rate are those of the authors' command
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = [
    '../_base_/models/slak-tiny.py',
    '../_base_/datasets/imagenet_bs64_swin_224.py',
    'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py',  # 300 epochs, 20 of warm-up, cosine
    'mmpretrain::_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=128)
optim_wrapper = dict(optimizer=dict(lr=4e-3), clip_grad=None)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=True, end=20, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=True, begin=20),
]
sync_bn = 'torch'
custom_hooks = [
    dict(type='mmkd.EMAHook', momentum=1e-4, priority='ABOVE_NORMAL'),
    dict(type='mmkd.DynamicSparsityHook', sparsity=0.4, init='snip', interval=2000, prune_rate=0.5, growth='random'),
]
auto_scale_lr = dict(base_batch_size=4096)
