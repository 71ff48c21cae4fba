# Paper:   CWD (arXiv 2011.13256); README of mmrazor, PSPNet ResNet-18
# Command: bash tools/dist_train.sh configs/dense/pspnet_resnet18_pspnet-resnet101-cwd_4xb2-80k_cityscapes-512x1024.py 4
# Figure:  75.54 mIoU (74.87 alone)
# Differs: pixels without a label are left out, there they count; temperature 1 and weight 5 as there
# Status:  not run here; needs 4 GPUs (2 images each) and Cityscapes in data/cityscapes
_base_ = 'mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'
model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'),
    teacher=dict(
        config='mmseg::pspnet/pspnet_r101-d8_4xb2-80k_cityscapes-512x1024.py',
        checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pspnet/pspnet_r101-d8_512x1024_80k_cityscapes/pspnet_r101-d8_512x1024_80k_cityscapes_20200606_112211-e1e1100f.pth'),
    terms=dict(cwd=dict(
        loss=dict(type='mmkd.CWDLoss', temperature=1.0), student='logits', teacher='logits', weight=5.0)))
auto_scale_lr = dict(enable=False, base_batch_size=8)
