_base_ = './in1k_adamw_120e.py'
train_cfg = dict(max_epochs=300)
