# As pspnet_convnest-mini_pspnet-slak-mini-cwd_fashion.py, its backbone from the distilled student.
# Command: python tools/train.py configs/fashion/pspnet_convnest-mini-distilled_pspnet-slak-mini-cwd_fashion.py
# status: not run here (one CPU core, after the runs of the student and the teacher)
_base_ = './pspnet_convnest-mini_pspnet-slak-mini-cwd_fashion.py'
model = dict(student=dict(config='fashion/pspnet_convnest-mini-distilled_fashion.py'))
