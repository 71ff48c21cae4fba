# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 3, A1,
#          1200 epochs, DIST, BEiTv2-L teacher; Table 9, DIST, BEiTv2-L, 1200 epochs
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_beitv2-large-dist_8xb256-a1-1200e_in1k.py 8
# Figure:  81.82 top1, 87.10 IN-Real, 70.35 IN-V2 (Table 3); 81.82 top1 (Table 9)
# Differs: the weights within the loss are those of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_beitv2-large-dist_8xb256-a1-600e_in1k.py'

train_cfg = dict(max_epochs=1200)
