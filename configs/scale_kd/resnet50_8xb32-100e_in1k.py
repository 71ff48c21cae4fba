# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 1, Table 2, Table 9 (a), Table 9 (b), Table 9 (c), Table 9 (d) and Table 17, ResNet-50 alone
# Command: bash tools/dist_train.sh configs/scale_kd/resnet50_8xb32-100e_in1k.py 8
# Figure:  76.55 top1
# Status:  not run here; needs 8 GPUs with 16 GB or more and ImageNet-1K in data/imagenet
_base_ = ['../_base_/models/resnet50.py', '_base_/schedules/traditional_100e.py']
