# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 6, UperNet, Swin-T after individual training
# Command: bash tools/dist_train.sh configs/scale_kd/upernet_swin-tiny_8xb2-160k_ade20k-512x512.py 8
# Figure:  44.41 mIoU
# Weights: the backbone's come from a student trained on ImageNet-1K. Make the file with
#              python tools/model_converters/publish_student.py \
#                  work_dirs/swin-tiny_32xb32-300e_in1k/epoch_300.pth
#          and give the name that it prints: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Differs: stage decay as a rate for each stage from the head down, the stem below the first
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = '_base_/schedules/ade20k_160k.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.SwinTransformer',
        arch='tiny',
        img_size=224,
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.3,
        pad_small_map=True,
        init_cfg=dict(
            type='Pretrained', prefix='backbone.',
            checkpoint='work_dirs/swin-tiny_32xb32-300e_in1k/student.pth')),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
    auxiliary_head=dict(in_channels=384))

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={
        'backbone.patch_embed': dict(lr_mult=0.9**5),
        'backbone.stages.0': dict(lr_mult=0.9**4),
        'backbone.stages.1': dict(lr_mult=0.9**3),
        'backbone.stages.2': dict(lr_mult=0.9**2),
        'backbone.stages.3': dict(lr_mult=0.9**1),
    }))
