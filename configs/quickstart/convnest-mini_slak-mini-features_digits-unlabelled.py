# The quick start's student learns from the teacher's features alone: the digits without a single label.
# Its features are validated by a k-NN classifier and a linear probe, which read the labelled digits as their bank.
# Command: python tools/train.py configs/quickstart/convnest-mini_slak-mini-features_digits-unlabelled.py
# status: reproduced (two CPU cores, seed 0: k-NN 95.8, linear probe 96.4; before training 72.0 and 67.0; the teacher's
# 97.8 and 97.6)
_base_ = ['_base_/datasets/digits_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
model = dict(
    type='mmkd.Distiller',
    student=dict(config='quickstart/convnest-mini_digits-5shot.py', options={'model.head': None}),
    teacher=dict(
        config='quickstart/slak-mini_digits.py', checkpoint='work_dirs/quickstart/teacher/epoch_15.pth'),
    input_size=32,
    task_weight=0.,
    terms=dict(
        fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage3', teacher='stage3',
                connector=dict(type='mmkd.ConvConnector')),
        rkd=dict(loss=dict(type='mmkd.RKDLoss'), student='backbone', teacher='pre_logits')))
train_dataloader = dict(dataset=dict(
    _delete_=True, type='CustomDataset', data_prefix='data/digits/train', with_label=False,
    pipeline=_base_.train_pipeline))
val_cfg = dict(
    type='mmkd.FeatureValLoop', neighbours=20, tap='backbone',
    bank_dataloader=dict(
        batch_size=64, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='CustomDataset', data_root='data/digits/', ann_file='meta/train.txt', data_prefix='train',
                     metainfo=_base_.metainfo, pipeline=_base_.test_pipeline)))
val_evaluator = []
test_cfg = dict(_delete_=True, **val_cfg)
test_cfg['type'] = 'mmkd.FeatureTestLoop'
test_evaluator = val_evaluator
