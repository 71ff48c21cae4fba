# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 3, Table 8, Table 14 and Table 16, ViT-S/16 alone
# Command: bash tools/dist_train.sh configs/scale_kd/vit-small-p16_32xb32-300e_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 32 images x 4 = 1024)
# Figure:  79.90 top1
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/models/vit-small-p16.py', '_base_/schedules/advanced_vit_300e.py']

model = dict(backbone=dict(drop_path_rate=0.1), train_cfg=None)
