# Paper:   Are Large Kernels Better Teachers than Transformers for ConvNets? (arXiv 2305.19412);
#          Table 4, FD with L = 4, Swin-T to ResNet-50
# Command: bash tools/dist_train.sh configs/large_kernel_kd/resnet50_swin-tiny-fd-l4_32xb128-120e_in1k.py 4 \
#              --cfg-options optim_wrapper.accumulative_counts=8    (4 GPUs x 128 images x 8 = 4096)
# Figure:  76.73 top1
# Status:  not run here; needs 4 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/strategies/fd.py', '_base_/schedules/in1k_adamw_120e.py']

model = dict(
    student=dict(config='large_kernel_kd/resnet50_32xb128-120e_in1k.py'),
    teacher=dict(config='_base_/models/swin-tiny.py', checkpoint='swin-tiny_in1k'),
    terms=dict(fd=dict(
        student=['stage1', 'stage2', 'stage3', 'stage4'],
        teacher=['stage1', 'stage2', 'stage3', 'stage4'])))
