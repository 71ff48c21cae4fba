# As pspnet_convnest-mini_fashion.py, its backbone from the distilled student.
# Command: python tools/train.py configs/fashion/pspnet_convnest-mini-distilled_fashion.py
# status: not run here (one CPU core, after the student's run)
_base_ = './pspnet_convnest-mini_fashion.py'
model = dict(
    backbone=dict(
        init_cfg=dict(
            _delete_=True, type='Pretrained', prefix='backbone.',
            checkpoint='work_dirs/convnest-mini_slak-mini-kd_fashion/epoch_10.pth')))
