# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 5, Mask R-CNN, Swin-T after ScaleKD
# Command: bash tools/dist_train.sh configs/scale_kd/mask-rcnn_swin-tiny-scalekd_fpn_8xb2-8e_coco.py 8
# Figure:  44.4 bbox_mAP, 40.8 segm_mAP
# Weights: the backbone's come from a student trained on ImageNet-1K. Make the file with
#              python tools/model_converters/publish_student.py \
#                  work_dirs/swin-tiny_swin-large-scalekd_32xb32-300e_in1k/epoch_300.pth
#          and give the name that it prints: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Differs: stage decay as a rate for each stage from the head down, the stem below the first
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and COCO 2017 in data/coco
_base_ = './mask-rcnn_swin-tiny_fpn_8xb2-8e_coco.py'

model = dict(backbone=dict(init_cfg=dict(
    checkpoint='work_dirs/swin-tiny_swin-large-scalekd_32xb32-300e_in1k/student.pth')))
