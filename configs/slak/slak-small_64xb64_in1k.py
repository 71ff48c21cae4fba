# Paper:   More ConvNets in the 2020s: Scaling up Kernels Beyond 51x51 using Sparsity; SLaK-S, arXiv 2207.03620
#          Also: Table 6 of arXiv 2305.19412
# Command: bash tools/dist_train.sh configs/slak/slak-small_64xb64_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=8    (8 GPUs x 64 images x 8 = 4096)
# Figure:  83.8 top1 (55 M parameters, 9.8 G FLOPs at 40 % sparsity; dense they would be 91.1 M, 16.6 G)
# Differs: the numbers of the sparse training (interval, prune rate) and the last rate are those of the authors' command
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = './slak-tiny_32xb128_in1k.py'
model = dict(backbone=dict(arch='small', drop_path_rate=0.4))
train_dataloader = dict(batch_size=64)
custom_hooks = [
    dict(type='mmkd.EMAHook', momentum=1e-4, priority='ABOVE_NORMAL'),
    dict(type='mmkd.DynamicSparsityHook', sparsity=0.4, init='snip', interval=100, prune_rate=0.3, growth='random'),
]
