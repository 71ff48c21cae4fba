# OFD (Heo et al., 2019) between the quick start's models. The teacher has no batch norm before its taps: the
# margins are estimated on the first ten batches.
# Command: python tools/train.py configs/quickstart/methods/ofd.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
stages = ['stage1', 'stage2', 'stage3']
model = dict(
    terms=dict(
        _delete_=True,
        ofd=dict(
            loss=dict(type='mmkd.OFDLoss', margin_batches=10),
            connector=dict(type='mmkd.ConvConnector', norm=True),
            student=stages,
            teacher=stages,
            weight=1e-3)))
