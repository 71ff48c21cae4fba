# KD (Hinton et al., 2015), Eq. 3; lambda is 0.1 as in the authors' code
model = dict(
    type='mmkd.Distiller',
    task_weight=0.9,
    terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=0.1)))
