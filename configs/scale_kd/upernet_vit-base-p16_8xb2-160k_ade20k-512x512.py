# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 6, UperNet, ViT-B/16 after individual training
# Command: bash tools/dist_train.sh configs/scale_kd/upernet_vit-base-p16_8xb2-160k_ade20k-512x512.py 8
# Figure:  46.75 mIoU
# Weights: the backbone's come from a student trained on ImageNet-1K. Make the file with
#              python tools/model_converters/publish_student.py \
#                  work_dirs/vit-base-p16_32xb32-300e_in1k/epoch_300.pth
#          and give the name that it prints: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = '_base_/schedules/ade20k_160k.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.VisionTransformer',
        arch='deit-base',
        img_size=512,
        patch_size=16,
        with_cls_token=False,
        out_indices=(2, 5, 8, 11),
        out_type='featmap',
        drop_path_rate=0.2,
        init_cfg=dict(
            type='Pretrained', prefix='backbone.',
            checkpoint='work_dirs/vit-base-p16_32xb32-300e_in1k/student.pth')),
    neck=dict(type='MultiLevelNeck', in_channels=[768] * 4, out_channels=768, scales=[4, 2, 1, 0.5]),
    decode_head=dict(in_channels=[768] * 4),
    auxiliary_head=dict(in_channels=768, in_index=3))

optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    constructor='mmkd.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(decay_rate=0.6, decay_type='layer_wise'))
