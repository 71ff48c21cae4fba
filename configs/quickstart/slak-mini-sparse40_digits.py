# As slak-mini_digits.py, with 40 % of the weights at zero from the first step, and an average of the weights.
# Command: python tools/train.py configs/quickstart/slak-mini-sparse40_digits.py
# status: not run here to the end (two CPU cores are enough; a test trains and resumes four epochs of it)
_base_ = './slak-mini_digits.py'
custom_hooks = [
    dict(type='mmkd.EpochSeedHook'),
    dict(type='mmkd.EMAHook', momentum=0.02, priority='ABOVE_NORMAL'),
    dict(type='mmkd.DynamicSparsityHook', sparsity=0.4, init='snip', interval=20, prune_rate=0.3),
]
