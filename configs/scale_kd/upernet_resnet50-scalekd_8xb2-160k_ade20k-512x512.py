# Paper:   ScaleKD: Strong Vision Transformers Could Be Excellent Teachers (arXiv 2411.06786);
#          Table 6, UperNet, ResNet-50 after ScaleKD
# Command: bash tools/dist_train.sh configs/scale_kd/upernet_resnet50-scalekd_8xb2-160k_ade20k-512x512.py 8
# Figure:  44.50 mIoU
# Weights: the backbone's come from a student trained on ImageNet-1K. Make the file with
#              python tools/model_converters/publish_student.py \
#                  work_dirs/resnet50_swin-large-scalekd_32xb64-300e_in1k/epoch_300.pth
#          and give the name that it prints: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# Differs: stage decay as a rate for each stage from the head down, the stem below the first
# Status:  not run here; needs 8 GPUs with 24 GB or more (2 images each) and ADE20K in data/ade
_base_ = './upernet_resnet50_8xb2-160k_ade20k-512x512.py'

model = dict(backbone=dict(init_cfg=dict(
    checkpoint='work_dirs/resnet50_swin-large-scalekd_32xb64-300e_in1k/student.pth')))
