# One projector between the last stages, Eq. 1: without DFM, TPP and KD. Its alpha: see scalekd-features.py
model = dict(
    type='mmkd.Distiller',
    task_weight=1.0,
    terms=dict(
        scalekd=dict(
            loss=dict(type='mmkd.ScaleKDLoss', projector='cross_attention', dfm=False, tpp=False),
            student='stage4',
            teacher='stage4',
            weight=0.14)))
