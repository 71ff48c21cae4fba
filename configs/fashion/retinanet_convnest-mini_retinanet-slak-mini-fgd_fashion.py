# A larger RetinaNet teaches a smaller one: its feature pyramid in the boxes and around them (FGD, Yang et al., 2022,
# arXiv 2111.11837). The weights are the authors' for RetinaNet.
# Command: python tools/train.py configs/fashion/retinanet_convnest-mini_retinanet-slak-mini-fgd_fashion.py
# status: not run here (one CPU core, after the teacher's run)
_base_ = './retinanet_convnest-mini_retinanet-slak-mini-pkd_fashion.py'
levels = ['neck1', 'neck2', 'neck3', 'neck4']
model = dict(
    terms=dict(
        _delete_=True,
        fgd=dict(
            loss=dict(type='mmkd.FGDLoss', temperature=0.5, alpha=1e-3, beta=5e-4, gamma=5e-4, lambda_=5e-6),
            student=levels,
            teacher=levels)))
