# A bigger UperNet on the digit scenes: twice as wide, trained twice as long. It teaches the smaller one.
# Command: python tools/train.py configs/quickstart/upernet_convnest-wide_digits.py
# status: reproduced (two CPU cores; see docs/compare_methods.md)
_base_ = './upernet_convnest-mini_digits.py'
model = dict(
    backbone=dict(arch=dict(channels=[32, 64, 128])),
    decode_head=dict(in_channels=[32, 64, 128], channels=96),
    auxiliary_head=dict(in_channels=128))
train_cfg = dict(max_epochs=8, val_interval=8)
# As docs/compare_methods.md was measured.
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
auto_scale_lr = dict(base_batch_size=8)
