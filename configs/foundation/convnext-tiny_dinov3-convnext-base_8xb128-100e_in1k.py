# Paper:   DINOv3 (arXiv 2508.10104), the teacher; AM-RADIO (arXiv 2312.06709), the losses
# Command: bash tools/dist_train.sh configs/foundation/convnext-tiny_dinov3-convnext-base_8xb128-100e_in1k.py 8
# Figure:  none is published for this pair
# Status:  not run here; needs 8 GPUs with 24 GB or more and ImageNet-1K in data/imagenet
_base_ = '_base_/strategies/labelfree.py'

# A ConvNet has no patches: its last map stands for them, 7×7 as the student's
model = dict(
    student=dict(config='foundation/_base_/students/convnext-tiny.py'),
    teacher=dict(timm='convnext_base.dinov3_lvd1689m', pretrained=True, num_classes=0, dtype='bf16'),
    terms=dict(patches=dict(teacher='stage4')))
