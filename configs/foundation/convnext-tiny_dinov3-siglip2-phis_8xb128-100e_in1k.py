# Paper:   PHI-S: Distribution Balancing for Label-Free Multi-Teacher Distillation (arXiv 2410.01680)
# Command: bash tools/dist_train.sh configs/foundation/convnext-tiny_dinov3-siglip2-phis_8xb128-100e_in1k.py 8
# Figure:  none is published for this pair
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = '_base_/strategies/phis.py'

model = dict(
    student=dict(config='foundation/_base_/students/convnext-tiny.py'),
    teacher=dict(
        dino=dict(
            timm='vit_base_patch16_dinov3.lvd1689m', pretrained=True, num_classes=0, global_pool='token', dtype='bf16'),
        siglip=dict(timm='vit_base_patch16_siglip_224.v2_webli', pretrained=True, num_classes=0, dtype='bf16')),
    terms=dict(
        _delete_=True,
        dino_pooled=dict(_base_.pooled, teacher='dino:pre_logits'),
        dino_patches=dict(_base_.patches, teacher='dino:patches'),
        siglip_pooled=dict(_base_.pooled, teacher='siglip:pre_logits'),
        siglip_patches=dict(_base_.patches, teacher='siglip:patches')))
