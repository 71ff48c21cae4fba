# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 3, A1,
#          1200 epochs, DIST, Res152 teacher
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_resnet152-dist_8xb256-a1-1200e_in1k.py 8
# Figure:  81.65 top1, 86.92 IN-Real, 70.43 IN-V2
# Differs: the weights within the loss are those of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_resnet152-dist_8xb256-a1-600e_in1k.py'

train_cfg = dict(max_epochs=1200)
