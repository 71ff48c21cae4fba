# A larger PSPNet teaches a smaller one: where each class is, as a distribution over the positions (CWD,
# Shu et al., 2021, arXiv 2011.13256). The temperature is that of the authors' code.
# Command: python tools/train.py configs/fashion/pspnet_convnest-mini_pspnet-slak-mini-cwd_fashion.py
# status: reproduced (one CPU core, three seeds: mIoU 55.8 on the val scenes; see docs/fashion.md)
_base_ = ['_base_/datasets/fashion_ade.py', '_base_/schedule_scenes.py', '_base_/runtime.py']
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
model = dict(
    type='mmkd.Distiller',
    student=dict(config='fashion/pspnet_convnest-mini_fashion.py'),
    teacher=dict(
        config='fashion/pspnet_slak-mini_fashion.py', checkpoint='work_dirs/pspnet_slak-mini_fashion/epoch_8.pth'),
    input_size=96,
    terms=dict(cwd=dict(
        loss=dict(type='mmkd.CWDLoss', temperature=4.0), student='logits', teacher='logits', weight=3.0)))
