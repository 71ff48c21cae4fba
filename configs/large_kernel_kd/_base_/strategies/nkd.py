# NKD (Yang et al., 2022, arXiv 2208.10139), Eq. 4; its lambda is gamma, 1 as in the authors' code
model = dict(
    type='mmkd.Distiller',
    task_weight=1.0,
    terms=dict(
        nkd=dict(
            loss=dict(type='mmkd.NKDLoss', temperature=1.0, gamma=1.0),
            student='logits', teacher='logits', weight=1.0)))
