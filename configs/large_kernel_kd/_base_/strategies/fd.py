# FD (Wei et al., 2022, arXiv 2205.14141), Eq. 5, of the last stage (L = 1)
model = dict(
    type='mmkd.Distiller',
    task_weight=1.0,
    terms=dict(
        fd=dict(
            loss=dict(type='mmkd.FDLoss', beta=2.0),
            student='stage4', teacher='stage4', connector=dict(type='mmkd.ConvConnector'), weight=1.0)))
