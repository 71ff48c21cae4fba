# Paper:   SigLIP 2: Multilingual Vision-Language Encoders (arXiv 2502.14786), the teacher, which pools by attention;
#          AM-RADIO (arXiv 2312.06709), the losses
# Command: bash tools/dist_train.sh configs/foundation/resnet50_siglip2-base_8xb128-100e_in1k.py 8
# Figure:  none is published for this pair
# Status:  not run here; needs 8 GPUs with 24 GB or more and ImageNet-1K in data/imagenet
_base_ = '_base_/strategies/labelfree.py'

model = dict(
    student=dict(config='foundation/_base_/students/resnet50.py'),
    teacher=dict(timm='vit_base_patch16_siglip_224.v2_webli', pretrained=True, num_classes=0, dtype='bf16'),
    terms=dict(pooled=dict(student='neck')))
