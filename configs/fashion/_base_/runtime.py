# What every run on Fashion-MNIST shares: that of the quick start, with a shorter log.
_base_ = '../../quickstart/_base_/runtime.py'
default_hooks = dict(logger=dict(type='LoggerHook', interval=100))
log_processor = dict(window_size=100)
