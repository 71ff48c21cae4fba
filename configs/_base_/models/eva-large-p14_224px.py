# EVA, arXiv 2211.07636; BEiT-L/14 at 224x224; 304.20 M parameters; mmpretrain
_base_ = './eva-large-p14_196px.py'
model = dict(backbone=dict(img_size=224))
