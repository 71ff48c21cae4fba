# ConvNeXt-T as ScaleKD's published file has it: the map is normalised before its average
_base_ = '../../../_base_/models/convnext-tiny.py'
model = dict(backbone=dict(gap_before_final_norm=False), neck=dict(type='GlobalAveragePooling'))
