# Paper:   DINOv2: Learning Robust Visual Features without Supervision (arXiv 2304.07193), the teacher;
#          AM-RADIO (arXiv 2312.06709), the losses
# Command: bash tools/dist_train.sh configs/foundation/convnest-tiny_dinov2-base_8xb128-100e_in1k.py 8
# Figure:  none is published for this pair
# Status:  not run here; needs 8 GPUs with 24 GB or more and ImageNet-1K in data/imagenet
_base_ = '_base_/strategies/labelfree.py'

model = dict(
    student=dict(config='foundation/_base_/students/convnest-tiny.py'),
    teacher=dict(
        timm='vit_base_patch14_dinov2.lvd142m', pretrained=True, num_classes=0, img_size=224, dtype='bf16'))
