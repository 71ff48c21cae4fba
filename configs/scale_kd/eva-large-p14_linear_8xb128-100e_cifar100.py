# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 12, linear probing, the teacher BEiT-L/14
# Command: bash tools/dist_train.sh configs/scale_kd/eva-large-p14_linear_8xb128-100e_cifar100.py 8
# Figure:  93.36 top1
# Differs: the paper gives no training of the probe: 100 epochs of SGD at 224x224, with flips
# Status:  not run here; needs 8 GPUs with 16 GB or more; CIFAR-100 is downloaded to data/cifar100
_base_ = ['../_base_/models/eva-large-p14_196px.py', '_base_/schedules/cifar100_linear_100e.py']

model = dict(
    backbone=dict(
        frozen_stages=24,
        init_cfg=dict(type='Pretrained', checkpoint='eva-large-p14-196px_in21k-pre-in1k', prefix='backbone.')),
    head=dict(num_classes=100, loss=dict(_delete_=True, type='CrossEntropyLoss')),
    train_cfg=None,
    data_preprocessor=dict(num_classes=100, to_rgb=False))

resize = dict(type='Resize', scale=196, backend='pillow', interpolation='bicubic')
test_pipeline = [resize, dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(pipeline=[
    resize, dict(type='RandomFlip', prob=0.5, direction='horizontal'), dict(type='PackInputs')]))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
