# ImageNet-1K as ConvNeXt trains on it: RandAugment (9, 0.5), random erasing 0.25; 224x224, tested on a crop of 256
_base_ = '../../../_base_/datasets/imagenet_bs64_swin_224.py'
train_dataloader = dict(batch_size=128)
