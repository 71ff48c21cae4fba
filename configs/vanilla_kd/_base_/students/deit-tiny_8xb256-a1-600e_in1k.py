# ViT-T of Table 8, strategy A1
_base_ = ['../../../_base_/models/deit-tiny.py', '../strategies/a1.py']

model = dict(
    backbone=dict(drop_path_rate=0.05),
    head=dict(loss=dict(
        _delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1, mode='original', use_sigmoid=True,
        loss_weight=1e-3)),  # a mean over the 1000 classes
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2), dict(type='CutMix', alpha=1.0)]))

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'.cls_token': dict(decay_mult=0.), '.pos_embed': dict(decay_mult=0.)}))
