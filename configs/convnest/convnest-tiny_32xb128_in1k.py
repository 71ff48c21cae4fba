# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 4, ConvNeSt-T, supervised
# Command: bash tools/dist_train.sh configs/convnest/convnest-tiny_32xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 128 images x 4 = 4096, as in Table 9)
# Figure:  82.7 top1 (27 M parameters, 4.8 G FLOPs)
# Status:  not run here; needs 8 GPUs with 24 GB or more and ImageNet-1K in data/imagenet
_base_ = [
    '../_base_/models/convnest-tiny.py',
    'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py',
    'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py',  # 300 epochs, 20 of warm-up, cosine
    'mmpretrain::_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=128)
optim_wrapper = dict(optimizer=dict(lr=4e-3), clip_grad=None)
custom_hooks = [dict(type='EMAHook', momentum=1e-4, priority='ABOVE_NORMAL')]
auto_scale_lr = dict(base_batch_size=4096)
