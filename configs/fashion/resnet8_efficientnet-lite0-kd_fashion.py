# The student of resnet8_fashion.py with EfficientNet-Lite0 as teacher, by KD (Hinton et al., 2015, arXiv 1503.02531).
# Command: python tools/train.py configs/fashion/resnet8_efficientnet-lite0-kd_fashion.py
# status: not run here (one CPU core, after the teacher's run)
_base_ = 'resnet8_resnet8x3-kd_fashion.py'
model = dict(
    teacher=dict(
        config='fashion/efficientnet-lite0_fashion.py', checkpoint='work_dirs/efficientnet-lite0_fashion/epoch_5.pth',
        input_size=64, dtype='bf16'))
