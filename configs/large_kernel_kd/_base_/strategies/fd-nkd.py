# FD and NKD together; the hard-label term, which Eq. 4 and Eq. 5 both have, counts once
_base_ = './fd.py'
model = dict(
    terms=dict(
        nkd=dict(
            loss=dict(type='mmkd.NKDLoss', temperature=1.0, gamma=1.0),
            student='logits', teacher='logits', weight=1.0)))
