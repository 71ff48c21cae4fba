# Strategy A1 of Table 2; mixup, label smoothing and drop path are the model's
_base_ = './a2.py'

optim_wrapper = dict(optimizer=dict(weight_decay=0.01))
train_cfg = dict(max_epochs=600)
