# ViT-B/14 as ScaleKD's published file has it: no class token, the map is normalised before and after its average
_base_ = './vit-base-p16.py'
model = dict(backbone=dict(patch_size=14, out_type='avg_featmap'), neck=None)
