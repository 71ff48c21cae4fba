# The teacher of `mmkd demo`: slak-mini_digits.py with 24 to 96 channels, so that its weights are small enough to come along.
# Command: python tools/train.py configs/quickstart/slak-micro_digits.py
# status: reproduced (two CPU cores: top-1 98.6)
_base_ = './slak-mini_digits.py'
model = dict(backbone=dict(arch=dict(channels=[24, 48, 96])), head=dict(in_channels=96))
optim_wrapper = dict(optimizer=dict(lr=5e-3))
train_cfg = dict(max_epochs=30)
