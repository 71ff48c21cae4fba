# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 1, Swin-S to Mixer-S/16, FD
# Command: bash tools/dist_train.sh configs/scale_kd/mixer-small-p16_swin-small-fd_32xb48-300e_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 48 images x 4 = 1536)
# Figure:  74.88 top1
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/strategies/projector.py', '_base_/schedules/advanced_mlp_300e.py']

model = dict(
    student=dict(config='scale_kd/mixer-small-p16_32xb48-300e_in1k.py'),
    teacher=dict(config='_base_/models/swin-small.py', checkpoint='swin-small_in1k'),
    terms=dict(scalekd=dict(loss=dict(projector='linear'))))
