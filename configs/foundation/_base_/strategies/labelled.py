# Labels and features: the student's own loss, and the two terms of the label-free recipes
_base_ = ['../../../_base_/datasets/imagenet_bs64_swin_224.py', '../schedules/adamw_bs1024_100e.py']

model = dict(
    type='mmkd.Distiller',
    task_weight=1.,
    terms=dict(
        pooled=dict(
            loss=dict(type='mmkd.CosineSmoothL1Loss', alpha=1.0, beta=0.0),
            student='pre_logits', teacher='pre_logits', connector=dict(type='mmkd.LinearConnector')),
        patches=dict(
            loss=dict(type='mmkd.CosineSmoothL1Loss', alpha=0.9, beta=0.1),
            student='stage4', teacher='patches', connector=dict(type='mmkd.ConvConnector'))))
train_dataloader = dict(batch_size=128)
