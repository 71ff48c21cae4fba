# EVA, arXiv 2211.07636; BEiT-L/14 at 336x336; 304.53 M parameters; mmpretrain
_base_ = './eva-large-p14_196px.py'
model = dict(backbone=dict(img_size=336))
