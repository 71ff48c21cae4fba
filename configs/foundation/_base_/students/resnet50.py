# ResNet-50 without a classifier, whose neck pools
_base_ = '../../../_base_/models/resnet50.py'
model = dict(head=None)
