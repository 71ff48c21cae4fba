# An Image is Worth 16x16 Words, arXiv 2010.11929; ViT-Ti/16, 5.72 M parameters; mmpretrain
# DeiT's architecture; the published ViT weights take another normalisation.
_base_ = './deit-tiny.py'
model = dict(data_preprocessor=dict(num_classes=1000, mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True))
