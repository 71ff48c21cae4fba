# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 3, Swin-L to MobileNet-V1
# Command: bash tools/dist_train.sh configs/scale_kd/mobilenet-v1_swin-large-scalekd_32xb64-300e_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 64 images x 4 = 2048)
# Figure:  75.15 top1
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/strategies/scalekd.py', '_base_/schedules/advanced_cnn_300e.py']

model = dict(
    student=dict(config='scale_kd/mobilenet-v1_32xb64-300e_in1k.py'),
    teacher=dict(config='_base_/models/swin-large.py', checkpoint='swin-large_in21k-pre-in1k'),
    terms=dict(scalekd=dict(loss=dict(num_heads=[16, 24]))))
