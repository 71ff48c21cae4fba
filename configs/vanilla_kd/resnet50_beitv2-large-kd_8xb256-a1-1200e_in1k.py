# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 3, A1,
#          1200 epochs, vanilla KD, BEiTv2-L teacher; Table 9, vanilla KD, BEiTv2-L, 1200 epochs
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_beitv2-large-kd_8xb256-a1-1200e_in1k.py 8
# Figure:  82.27 top1, 87.27 IN-Real, 70.88 IN-V2 (Table 3); 82.27 top1 (Table 9)
# Differs: the temperature is that of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_beitv2-large-kd_8xb256-a1-600e_in1k.py'

train_cfg = dict(max_epochs=1200)
