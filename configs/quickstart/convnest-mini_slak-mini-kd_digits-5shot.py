# As convnest-mini_slak-mini-nkd_digits-5shot.py, with KD in place of NKD, for comparison.
# Command: python tools/train.py configs/quickstart/convnest-mini_slak-mini-kd_digits-5shot.py
# status: not run here (two CPU cores are enough; a row of `tools/quickstart.sh --full`)
_base_ = './convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        kd=dict(loss=dict(type='mmkd.KDLoss', temperature=4.0), student='logits', teacher='logits')))
