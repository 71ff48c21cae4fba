# ImageNet-1K as strategies A1 and A2 train on it: RandAugment 7/0.5 with timm's operations, but not its "-inc1"
_base_ = ['../../../_base_/datasets/imagenet_bs256_rsb_a12.py', './rand_augment.py']

train_pipeline = [
    step | dict(policies=_base_.rand_augment_policies) if step['type'] == 'mmkd.RandAugment' else step
    for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
