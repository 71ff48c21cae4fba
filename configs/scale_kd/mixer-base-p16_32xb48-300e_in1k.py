# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 3, Table 8 and Table 14, Mixer-B/16 alone
# Command: bash tools/dist_train.sh configs/scale_kd/mixer-base-p16_32xb48-300e_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 48 images x 4 = 1536)
# Figure:  76.44 top1
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['../_base_/models/mixer-base-p16.py', '_base_/schedules/advanced_mlp_300e.py']

model = dict(
    backbone=dict(drop_path_rate=0.1),
    head=dict(loss=dict(_delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))
