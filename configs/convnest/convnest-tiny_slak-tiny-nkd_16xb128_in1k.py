# Paper:   Convolution on Your 12x Wide Feature: A ConvNet with Nested Design; Table 4, ConvNeSt-T, distilled (recipe:
#          Table 11); temperature and gamma are those of NKD (arXiv 2208.10139) on ImageNet, Table 11 has none
# Command: bash tools/dist_train.sh configs/convnest/convnest-tiny_slak-tiny-nkd_16xb128_in1k.py 8 \
#              --cfg-options optim_wrapper.accumulative_counts=2    (8 GPUs x 128 images x 2 = 2048, as in Table 11)
# Figure:  83.3 top1 (27 M parameters, 4.8 G FLOPs); 82.7 without a teacher
# Weights: the teacher's are slak-tiny_in1k of the model zoo, or a file: --cfg-options model.teacher.checkpoint=FILE
# Status:  not run here; needs 8 GPUs with 80 GB (40 GB with --amp) and ImageNet-1K in data/imagenet
_base_ = './convnest-tiny_32xb128_in1k.py'  # 300 epochs, 20 of warm-up, AdamW 4e-3, augmentation as in Table 11

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='convnest/convnest-tiny_32xb128_in1k.py'),
    teacher=dict(config='slak/slak-tiny_32xb128_in1k.py', checkpoint='slak-tiny_in1k'),
    task_weight=1.0,
    terms=dict(nkd=dict(loss=dict(type='mmkd.NKDLoss', temperature=1.0, gamma=1.5),
                        student='logits', teacher='logits')))

custom_hooks = []  # Table 11 lists no EMA
auto_scale_lr = dict(base_batch_size=2048)
