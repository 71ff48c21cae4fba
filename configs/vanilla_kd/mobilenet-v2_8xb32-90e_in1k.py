# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 1, (a), MBNetV2
#          without a teacher
# Command: bash tools/dist_train.sh configs/vanilla_kd/mobilenet-v2_8xb32-90e_in1k.py 8
# Figure:  68.87 top1
# Differs: 68.87 and the previous figures are those that DKD and DIST print for MobileNetV1; the student is the
#          MobileNetV2 that this paper names
# Status:  not run here; needs 8 GPUs with 11 GB or more and ImageNet-1K in data/imagenet
_base_ = ['../_base_/models/mobilenet-v2.py', './_base_/strategies/sgd.py']
