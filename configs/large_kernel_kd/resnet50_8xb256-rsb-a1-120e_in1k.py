# Paper:   Are Large Kernels Better Teachers than Transformers for ConvNets? (arXiv 2305.19412);
#          Table 10, ResNet-50 alone
# Command: bash tools/dist_train.sh configs/large_kernel_kd/resnet50_8xb256-rsb-a1-120e_in1k.py 4 \
#              --cfg-options optim_wrapper.accumulative_counts=2    (4 GPUs x 256 images x 2 = 2048)
# Figure:  78.06 top1
# Differs: the paper names the recipe only (A1, 120 epochs); the numbers are those of arXiv 2110.00476
# Status:  not run here; needs 4 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/models/resnet50-rsb-a1.py', '_base_/schedules/in1k_rsb-a1_120e.py']
