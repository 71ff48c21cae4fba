# Paper:   More ConvNets in the 2020s: Scaling up Kernels Beyond 51x51 using Sparsity; SLaK-T, arXiv 2207.03620
# Command: bash tools/dist_train.sh configs/slak/slak-tiny_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096)
# Figure:  82.5 top1 (30 M parameters, 5.0 G FLOPs at 40 % sparsity); this config is the dense network
#          (50.7 M, 8.7 G), which the paper does not report
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = [
    'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py',
    'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py',  # 300 epochs, 20 of warm-up, cosine
    'mmpretrain::_base_/default_runtime.py',
]

model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmkd.SLaK', arch='tiny', drop_path_rate=0.1),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=998,  # int(768 * 1.3)
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=.02, bias=0.)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)]))

train_dataloader = dict(batch_size=128)
optim_wrapper = dict(optimizer=dict(lr=4e-3), clip_grad=None)
sync_bn = 'torch'
custom_hooks = [dict(type='EMAHook', momentum=1e-4, priority='ABOVE_NORMAL')]
auto_scale_lr = dict(base_batch_size=4096)
