# OFA (Hao et al., 2023, arXiv 2310.19444) between the models of Fashion-MNIST: the student's stages speak through
# auxiliary heads, whose blocks bring each map to the 3×3 of the last stage.
# Command: python tools/train.py configs/fashion/methods/ofa.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        ofa=dict(
            loss=dict(type='mmkd.OFALoss', gamma=1.0, temperature=1.0),
            student=['stage1', 'stage2', 'stage3', 'logits'],
            teacher='logits',
            connector=[
                dict(type='mmkd.AuxiliaryHeadConnector', depth=2),
                dict(type='mmkd.AuxiliaryHeadConnector', depth=1),
                dict(type='mmkd.AuxiliaryHeadConnector', depth=0), None
            ],
            weight=1.0)))
