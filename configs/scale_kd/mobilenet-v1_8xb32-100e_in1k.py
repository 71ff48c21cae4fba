# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 13, MobileNet-V1 alone
# Command: bash tools/dist_train.sh configs/scale_kd/mobilenet-v1_8xb32-100e_in1k.py 8
# Figure:  69.63 top1
# Status:  not run here; needs 8 GPUs with 16 GB or more and ImageNet-1K in data/imagenet
_base_ = ['../_base_/models/mobilenet-v1.py', '_base_/schedules/traditional_cosine_100e.py']
