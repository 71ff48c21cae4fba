# ViT-B/16 as ScaleKD's published file has it: no class token, the normalised map is averaged
_base_ = '../../../_base_/models/deit-base.py'
model = dict(
    backbone=dict(with_cls_token=False, out_type='featmap'),
    neck=dict(_delete_=True, type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead'))
