# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 2, Swin-B to ResNet-50
# Command: bash tools/dist_train.sh configs/scale_kd/resnet50_swin-base-scalekd_32xb64-300e_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=4    (8 GPUs x 64 images x 4 = 2048)
# Figure:  81.77 top1
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['_base_/strategies/scalekd.py', '_base_/schedules/advanced_cnn_300e.py']

model = dict(
    student=dict(config='scale_kd/resnet50_32xb64-300e_in1k.py'),
    teacher=dict(config='_base_/models/swin-base.py', checkpoint='swin-base_in21k-pre-in1k'),
    terms=dict(scalekd=dict(loss=dict(num_heads=[8, 16]))))
