# Paper:   Are Large Kernels Better Teachers than Transformers for ConvNets? (arXiv 2305.19412);
#          Table 1, Table 2, Table 3 and Table 4, ResNet-50 alone
# Command: bash tools/dist_train.sh configs/large_kernel_kd/resnet50_32xb128-120e_in1k.py 4 \
#              --cfg-options optim_wrapper.accumulative_counts=8    (4 GPUs x 128 images x 8 = 4096)
# Figure:  76.13 top1
# Status:  not run here; needs 4 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/models/resnet50.py', '_base_/schedules/in1k_adamw_120e.py']
