# Knowledge distillation: A good teacher is patient and consistent (FunMatch), arXiv 2106.05237; BiT-M R152x2
# 236.34 M parameters; timm
model = dict(
    type='TimmClassifier',
    model_name='resnetv2_152x2_bit.goog_teacher_in21k_ft_in1k',
    num_classes=1000,
    data_preprocessor=dict(num_classes=1000, mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True))
