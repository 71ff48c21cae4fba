# BEiT v2, arXiv 2208.06366; BEiT v2-B, 86.53 M parameters; mmpretrain
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='BEiTViT',
        arch='base',
        img_size=224,
        patch_size=16,
        out_type='avg_featmap',
        use_abs_pos_emb=False,
        use_rel_pos_bias=True,
        use_shared_rel_pos_bias=False),
    neck=None,
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=768, loss=dict(type='CrossEntropyLoss')),
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
