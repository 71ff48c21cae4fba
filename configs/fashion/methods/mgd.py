# MGD (Yang et al., 2022) between the models of Fashion-MNIST.
# Command: python tools/train.py configs/fashion/methods/mgd.py
# The weight is the paper's 7e-5 for maps of 512×7×7, times 21.8 for the fewer elements of 128×3×3.
# status: reproduced (one CPU core, seed 0: top-1 90.99 on the test set, alone 91.00; more in docs/fashion.md)
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(terms=dict(
    _delete_=True,
    mgd=dict(loss=dict(type='mmkd.MGDLoss', mask='channel', mask_ratio=0.15),
             student='stage3', teacher='stage3', connector=dict(type='mmkd.ConvConnector'), weight=1.5e-3)))
