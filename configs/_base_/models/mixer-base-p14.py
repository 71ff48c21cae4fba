# MLP-Mixer, arXiv 2105.01601; Mixer-B/14 of ScaleKD's Table 3
# 60.3 M parameters (the table prints those of Mixer-B/16, 59.88); mmpretrain
_base_ = './mixer-base-p16.py'
model = dict(backbone=dict(patch_size=14))
