# FitNets (Romero et al., 2015, arXiv 1412.6550) on the last stage of the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/fitnet.py
# status: reproduced (one CPU core, seed 0: top-1 90.79 on the test set, alone 91.00; more in docs/fashion.md)
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        fitnet=dict(
            loss=dict(type='mmkd.FitNetLoss'),
            student='stage3', teacher='stage3', connector=dict(type='mmkd.ConvConnector'), weight=1.0)))
