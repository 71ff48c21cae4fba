# No labels. AM-RADIO's losses (arXiv 2312.06709): a cosine for the teacher's pooled feature, a cosine and a smooth L1
# for its patches, to whose grid the student's map is resized. A k-NN classifier and a linear probe validate
_base_ = ['../datasets/in1k_unlabelled_224.py', '../schedules/adamw_bs1024_100e.py']

model = dict(
    type='mmkd.Distiller',
    task_weight=0.,
    terms=dict(
        pooled=dict(
            loss=dict(type='mmkd.CosineSmoothL1Loss', alpha=1.0, beta=0.0),
            student='backbone', teacher='pre_logits', connector=dict(type='mmkd.LinearConnector')),
        patches=dict(
            loss=dict(type='mmkd.CosineSmoothL1Loss', alpha=0.9, beta=0.1),
            student='stage4', teacher='patches', connector=dict(type='mmkd.ConvConnector'))))

train_cfg = dict(val_interval=10)
val_cfg = dict(
    type='mmkd.FeatureValLoop',
    neighbours=20,
    temperature=0.07,
    tap='backbone',
    bank_dataloader=dict(
        batch_size=64,
        num_workers=5,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(_base_.val_dataloader.dataset, split='train')))
val_evaluator = []
test_cfg = dict(val_cfg, type='mmkd.FeatureTestLoop')
test_evaluator = []
