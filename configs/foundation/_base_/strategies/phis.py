# Several teachers without labels: squared distances to features that PHI-S has standardised (arXiv 2410.01680), so that
# all teachers count the same. Patches of each teacher and its pooled feature
_base_ = './labelfree.py'

distance, norm = dict(type='mmkd.FitNetLoss'), dict(type='mmkd.PHIS', steps=100)
pooled = dict(
    loss=distance, student='backbone', connector=dict(type='mmkd.LinearConnector'), teacher_norm=norm)
patches = dict(
    loss=distance, student='stage4', connector=dict(type='mmkd.ConvConnector'), teacher_norm=norm)
