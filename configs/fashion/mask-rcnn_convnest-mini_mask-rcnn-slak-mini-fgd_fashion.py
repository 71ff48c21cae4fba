# A larger Mask R-CNN teaches a smaller one: its feature pyramid in the boxes and around them (FGD, Yang et al., 2022,
# arXiv 2111.11837). The weights are the authors' for two-stage detectors.
# Command: python tools/train.py configs/fashion/mask-rcnn_convnest-mini_mask-rcnn-slak-mini-fgd_fashion.py
# status: not run here (one CPU core, after the teacher's run)
_base_ = './mask-rcnn_convnest-mini_mask-rcnn-slak-mini-pkd_fashion.py'
levels = ['neck1', 'neck2', 'neck3']
model = dict(
    terms=dict(
        _delete_=True,
        fgd=dict(
            loss=dict(type='mmkd.FGDLoss', temperature=0.5, alpha=5e-5, beta=2.5e-5, gamma=5e-5, lambda_=5e-7),
            student=levels,
            teacher=levels)))
