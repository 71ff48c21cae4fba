# RepViT, arXiv 2307.09283; RepViT-M2.3, 23.69 M parameters (22.93 once its branches are fused); timm
model = dict(
    type='TimmClassifier',
    model_name='repvit_m2_3',
    num_classes=1000,
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
