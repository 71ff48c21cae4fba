# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 5, LR 5e-3, WD
#          0.01, DIST
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_beitv2-large-dist_8xb256-a2-lr5e-3-wd1e-2_in1k.py 8
# Figure:  80.62 top1
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_beitv2-large-dist_8xb256-a2-300e_in1k.py'

optim_wrapper = dict(optimizer=dict(weight_decay=0.01))
