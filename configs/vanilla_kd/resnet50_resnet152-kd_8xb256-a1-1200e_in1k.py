# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 3, A1,
#          1200 epochs, vanilla KD, Res152 teacher
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_resnet152-kd_8xb256-a1-1200e_in1k.py 8
# Figure:  81.61 top1, 86.86 IN-Real, 70.47 IN-V2
# Differs: the temperature is that of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_resnet152-kd_8xb256-a1-600e_in1k.py'

train_cfg = dict(max_epochs=1200)
