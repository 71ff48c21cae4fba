# A bigger Mask R-CNN teaches a smaller one: its feature pyramid in the boxes and around them (FGD).
# Command: python tools/train.py configs/quickstart/mask-rcnn_convnest-mini_mask-rcnn-wide-fgd_digits.py
# status: not run here to the end (a CPU is enough, after the teacher's run)
_base_ = './mask-rcnn_convnest-mini_mask-rcnn-wide-fd-kd_digits.py'
levels = ['neck1', 'neck2', 'neck3', 'neck4']
model = dict(terms=dict(
    _delete_=True,
    fgd=dict(loss=dict(type='mmkd.FGDLoss', alpha=5e-5, beta=2.5e-5, gamma=5e-5, lambda_=5e-7), student=levels,
             teacher=levels, connector=dict(type='mmkd.ConvConnector'))))
