# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 1, (a), Res18
#          without a teacher
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet18_8xb32-90e_in1k.py 8
# Figure:  69.75 top1
# Status:  not run here; needs 8 GPUs with 11 GB or more and ImageNet-1K in data/imagenet
_base_ = ['../_base_/models/resnet18.py', './_base_/strategies/sgd.py']
