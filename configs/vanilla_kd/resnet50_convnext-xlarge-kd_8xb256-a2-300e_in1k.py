# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 6, ConvNeXt-XL -
#          Res50, LR 5e-3, WD 0.03, vanilla KD
# Command: bash tools/dist_train.sh configs/vanilla_kd/resnet50_convnext-xlarge-kd_8xb256-a2-300e_in1k.py 8
# Figure:  80.98 top1
# Differs: the temperature is that of the authors' code, the paper gives none
# Status:  not run here; needs 8 GPUs with 40 GB or more and ImageNet-1K in data/imagenet
_base_ = './resnet50_8xb256-a2-300e_in1k.py'

model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='vanilla_kd/resnet50_8xb256-a2-300e_in1k.py'),
    teacher=dict(config='_base_/models/convnext-xlarge.py', checkpoint='convnext-xlarge_in21k-pre-in1k'),
    task_weight=0.5,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=0.5)))
