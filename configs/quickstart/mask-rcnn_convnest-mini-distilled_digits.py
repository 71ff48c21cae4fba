# As mask-rcnn_convnest-mini_digits.py, its backbone from the distilled student.
# Command: python tools/train.py configs/quickstart/mask-rcnn_convnest-mini-distilled_digits.py
# status: reproduced (two CPU cores; see the quick start's table in README.md)
_base_ = './mask-rcnn_convnest-mini_digits.py'
model = dict(
    backbone=dict(
        init_cfg=dict(
            _delete_=True, type='Pretrained', checkpoint='work_dirs/quickstart/student.pth', prefix='backbone.')))
