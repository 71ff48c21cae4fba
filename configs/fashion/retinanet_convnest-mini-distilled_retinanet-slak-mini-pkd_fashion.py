# As retinanet_convnest-mini_retinanet-slak-mini-pkd_fashion.py, its backbone from the distilled student.
# Command: python tools/train.py configs/fashion/retinanet_convnest-mini-distilled_retinanet-slak-mini-pkd_fashion.py
# status: reproduced (one CPU core, three seeds: bbox_mAP 64.5 on the val scenes; see docs/fashion.md)
_base_ = './retinanet_convnest-mini_retinanet-slak-mini-pkd_fashion.py'
model = dict(student=dict(config='fashion/retinanet_convnest-mini-distilled_fashion.py'))
