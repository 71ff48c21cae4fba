# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 6, BEiTv2-L -
#          DeiT-S, LR 3e-4, WD 0.05, DIST
# Command: bash tools/dist_train.sh configs/vanilla_kd/deit-small_beitv2-large-dist_8xb256-a2-lr3e-4-wd5e-2_in1k.py 8
# Figure:  79.44 top1
# Differs: the paper names strategy A2, hence LAMB; rates of 3e-4 to 7e-4 are rather usual of AdamW, which is
#          --cfg-options optim_wrapper.optimizer.type=AdamW
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = './deit-small_beitv2-large-dist_8xb256-a2-300e_in1k.py'

optim_wrapper = dict(optimizer=dict(lr=3e-4))
