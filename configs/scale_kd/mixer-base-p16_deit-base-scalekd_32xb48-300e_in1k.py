# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 14, ViT-B to Mixer-B/16
# Command: bash tools/dist_train.sh configs/scale_kd/mixer-base-p16_deit-base-scalekd_32xb48-300e_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 48 images x 4 = 1536)
# Figure:  81.62 top1
# Differs: the heads of the projectors are those of Swin-L for the same width
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/strategies/scalekd.py', '_base_/schedules/advanced_mlp_300e.py']

model = dict(
    student=dict(config='scale_kd/mixer-base-p16_32xb48-300e_in1k.py'),
    teacher=dict(config='_base_/models/deit-base.py', checkpoint='deit-base_in1k'),
    terms=dict(scalekd=dict(loss=dict(num_heads=[16, 16]))))
