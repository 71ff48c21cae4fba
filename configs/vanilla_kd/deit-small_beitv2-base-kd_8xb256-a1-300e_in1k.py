# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 8, ViT-S,
#          300 epochs
# Command: bash tools/dist_train.sh configs/vanilla_kd/deit-small_beitv2-base-kd_8xb256-a1-300e_in1k.py 8
# Figure:  81.38 top1
# Differs: the temperature is that of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = './deit-small_beitv2-base-kd_8xb256-a1-600e_in1k.py'

train_cfg = dict(max_epochs=300)
