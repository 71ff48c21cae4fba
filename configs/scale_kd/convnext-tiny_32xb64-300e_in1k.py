# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 3, Table 8 and Table 14, ConvNeXt-T alone
# Command: bash tools/dist_train.sh configs/scale_kd/convnext-tiny_32xb64-300e_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 64 images x 4 = 2048)
# Figure:  82.14 top1
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/models/convnext-tiny.py', '_base_/schedules/advanced_cnn_300e.py']

model = dict(backbone=dict(drop_path_rate=0.05), train_cfg=None)
