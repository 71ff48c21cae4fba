# EVA-02, arXiv 2303.11331; EVA-02-S/14 at 336x336, 22.13 M parameters; mmpretrain
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ViTEVA02', arch='s', img_size=336, patch_size=14, final_norm=False, out_type='avg_featmap'),
    neck=None,
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=384,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
    init_cfg=[
        dict(type='TruncNormal', layer='Linear', std=.02),
        dict(type='Constant', layer='LayerNorm', val=1., bias=0.),
    ],
    data_preprocessor=dict(
        num_classes=1000,
        # CLIP's
        mean=[0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255],
        std=[0.26862954 * 255, 0.26130258 * 255, 0.27577711 * 255],
        to_rgb=True))
