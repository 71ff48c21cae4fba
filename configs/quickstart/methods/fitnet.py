# FitNets (Romero et al., 2015, arXiv 1412.6550) on the last stage of the quick start's models.
# Command: python tools/train.py configs/quickstart/methods/fitnet.py
# status: not run here over seeds; needs a CPU and a minute
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        fitnet=dict(
            loss=dict(type='mmkd.FitNetLoss'),
            student='stage3', teacher='stage3', connector=dict(type='mmkd.ConvConnector'), weight=1.0)))
