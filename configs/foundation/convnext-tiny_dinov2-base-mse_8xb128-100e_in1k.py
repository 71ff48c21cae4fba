# Paper:   DINOv2 (arXiv 2304.07193), the teacher. The loss is that of LightlyTrain's "distillationv2": the
#          squared distance of the patches, the student's map projected and resized to the grid of the teacher
# Differs: LightlyTrain matches the last two blocks at once, mixes images, and has LARS at 9.0 for a batch of 1536
# Command: bash tools/dist_train.sh configs/foundation/convnext-tiny_dinov2-base-mse_8xb128-100e_in1k.py 8
# Figure:  none is published for this pair
# Status:  not run here; needs 8 GPUs with 24 GB or more and ImageNet-1K in data/imagenet
_base_ = '_base_/strategies/labelfree.py'

model = dict(
    student=dict(config='foundation/_base_/students/convnext-tiny.py'),
    teacher=dict(timm='vit_base_patch14_dinov2.lvd142m', pretrained=True, num_classes=0, img_size=224, dtype='bf16'),
    terms=dict(
        _delete_=True,
        patches=dict(
            loss=dict(type='mmkd.FitNetLoss'), student='stage4', teacher='patches',
            connector=dict(type='mmkd.ConvConnector'))))
