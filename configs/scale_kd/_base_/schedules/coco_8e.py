# Table 11 (a): MS-COCO. The warm-up is mmdet's, the table has none; beta2 is printed as 0.009, read as 0.999
_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    'mmdet::_base_/default_runtime.py',
]
custom_imports = dict(imports=['mmkd', 'mmpretrain.models'], allow_failed_imports=False)

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, end=1000),
    dict(type='CosineAnnealingLR', by_epoch=True, T_max=8, end=8, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=8)
