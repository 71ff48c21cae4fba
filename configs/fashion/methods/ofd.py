# OFD (Heo et al., 2019) between the models of Fashion-MNIST. The teacher has no batch norm before its taps: the
# margins are estimated on the first ten batches.
# Command: python tools/train.py configs/fashion/methods/ofd.py
# status: reproduced (one CPU core, seed 0: top-1 90.85 on the test set, alone 91.00; more in docs/fashion.md)
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
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
