# BEiT v2, arXiv 2208.06366; BEiT v2-L, 304.43 M parameters; timm, as mmpretrain offers no weights of it
# pretrained=True loads those of the vanilla-KD paper (88.39 top1).
model = dict(
    type='TimmClassifier',
    model_name='beitv2_large_patch16_224.in1k_ft_in22k_in1k',
    num_classes=1000,
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
