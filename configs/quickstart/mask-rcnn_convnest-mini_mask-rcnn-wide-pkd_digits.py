# A bigger Mask R-CNN teaches a smaller one: the levels of its feature pyramid, by their correlation (PKD).
# Command: python tools/train.py configs/quickstart/mask-rcnn_convnest-mini_mask-rcnn-wide-pkd_digits.py
# status: not run here to the end (a CPU is enough, after the teacher's run)
_base_ = './mask-rcnn_convnest-mini_mask-rcnn-wide-fd-kd_digits.py'
levels = ['neck1', 'neck2', 'neck3', 'neck4']
model = dict(terms=dict(
    _delete_=True,
    pkd=dict(loss=dict(type='mmkd.PKDLoss'), student=levels, teacher=levels,
             connector=dict(type='mmkd.ConvConnector'), weight=6.0)))
