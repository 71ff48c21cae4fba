# ImageNet-1K at 384x384, as Swin is fine-tuned on it, with mmkd's faster crops
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs64_swin_384.py'

train_pipeline = [
    step | dict(type=f"mmkd.{step['type']}") if step['type'] in ('RandomResizedCrop', 'RandomErasing') else step
    for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
