# Paper:   DINOv3 (arXiv 2508.10104), the teacher; AM-RADIO (arXiv 2312.06709), the losses
# Command: bash tools/dist_train.sh configs/foundation/resnet50_dinov3-small-labelled_8xb128-100e_in1k.py 8
# Figure:  none is published for this pair
# Status:  not run here; needs 8 GPUs with 24 GB or more and ImageNet-1K in data/imagenet
_base_ = '_base_/strategies/labelled.py'

model = dict(
    student=dict(config='_base_/models/resnet50.py'),
    teacher=dict(
        timm='vit_small_patch16_dinov3.lvd1689m', pretrained=True, num_classes=0, global_pool='token', dtype='bf16'))
