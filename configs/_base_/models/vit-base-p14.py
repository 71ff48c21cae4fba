# An Image is Worth 16x16 Words, arXiv 2010.11929; ViT-B/14 of ScaleKD's Table 3
# 86.5 M parameters (the table prints those of ViT-B/16, 86.57); mmpretrain
_base_ = './vit-base-p16.py'
model = dict(backbone=dict(patch_size=14))
