# ScaleKD, Eq. 5. The authors' configs halve the label loss and the KD:
# --cfg-options model.task_weight=0.5 model.terms.kd.weight=0.5. Their temperature is 1, the paper gives none
_base_ = './scalekd-features.py'
model = dict(
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=1.0)))
