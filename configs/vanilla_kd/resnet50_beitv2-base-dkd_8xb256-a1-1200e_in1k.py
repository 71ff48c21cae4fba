# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 9, DKD, BEiTv2-B,
#          1200 epochs
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_beitv2-base-dkd_8xb256-a1-1200e_in1k.py 8
# Figure:  82.31 top1
# Differs: temperature, alpha and beta are those of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_beitv2-base-dkd_8xb256-a1-600e_in1k.py'

train_cfg = dict(max_epochs=1200)
