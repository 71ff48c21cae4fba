# Paper:   More ConvNets in the 2020s: Scaling up Kernels Beyond 51x51 using Sparsity; SLaK-B, arXiv 2207.03620
#          Also: Table 4 of "Convolution on Your 12x Wide Feature"
# Command: bash tools/dist_train.sh configs/slak/slak-base_128xb32_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=16    (8 GPUs x 32 images x 16 = 4096)
# Figure:  84.0 top1 (95 M parameters, 17.1 G FLOPs at 40 % sparsity; dense they would be 158.0 M, 28.5 G)
# Differs: the numbers of the sparse training (interval, prune rate) and the last rate are those of the authors' command
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = './slak-small_64xb64_in1k.py'
model = dict(backbone=dict(arch='base', drop_path_rate=0.5), head=dict(in_channels=1331))  # int(1024 * 1.3)
train_dataloader = dict(batch_size=32)
