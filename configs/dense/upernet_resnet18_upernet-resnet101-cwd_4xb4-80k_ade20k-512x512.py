# Paper:   CWD (arXiv 2011.13256), No table: the setting is that of mmrazor's recipe for Cityscapes
# Command: bash tools/dist_train.sh configs/dense/upernet_resnet18_upernet-resnet101-cwd_4xb4-80k_ade20k-512x512.py 4
# Figure:  none read (of the teacher alone 42.91 mIoU, by mmseg)
# Differs: data set and models; pixels without a label are left out
# Status:  not run here; needs 4 GPUs (4 images each) and ADE20K in data/ade
_base_ = 'mmseg::upernet/upernet_r18_4xb4-80k_ade20k-512x512.py'
model = dict(
    _delete_=True,
    type='mmkd.Distiller',
    student=dict(config='mmseg::upernet/upernet_r18_4xb4-80k_ade20k-512x512.py'),
    teacher=dict(
        config='mmseg::upernet/upernet_r101_4xb4-80k_ade20k-512x512.py',
        checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/upernet/upernet_r101_512x512_80k_ade20k/upernet_r101_512x512_80k_ade20k_20200614_185117-32e4db94.pth'),
    terms=dict(cwd=dict(
        loss=dict(type='mmkd.CWDLoss', temperature=1.0), student='logits', teacher='logits', weight=5.0)))
data_preprocessor = dict(size=(512, 512))  # which mmseg's file leaves out
auto_scale_lr = dict(enable=False, base_batch_size=16)
