# A bigger UperNet teaches a smaller one: where each class is, as a distribution over the positions (CWD).
# Command: python tools/train.py configs/quickstart/upernet_convnest-mini_upernet-wide-cwd_digits.py
# status: not run here to the end (a CPU is enough, after the teacher's run)
_base_ = './upernet_convnest-mini_upernet-wide-fd-kd_digits.py'
model = dict(terms=dict(
    _delete_=True,
    cwd=dict(loss=dict(type='mmkd.CWDLoss', temperature=4.0), student='logits', teacher='logits', weight=3.0)))
