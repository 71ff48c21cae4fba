# ViT-S/16 as ScaleKD's published file has it: no class token, the normalised map is averaged
_base_ = './vit-base-p16.py'
model = dict(backbone=dict(arch='deit-small'), head=dict(in_channels=384))
