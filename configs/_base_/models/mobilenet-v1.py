# MobileNets, arXiv 1704.04861; 4.23 M parameters; timm, as mmpretrain has no plain MobileNetV1
# The weights that timm offers were trained with mean and std 127.5.
model = dict(
    type='TimmClassifier',
    model_name='mobilenetv1_100',
    num_classes=1000,
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
