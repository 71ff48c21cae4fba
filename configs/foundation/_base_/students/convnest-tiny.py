# ConvNeSt-T without a classifier, whose backbone ends with the pooled feature; without mixup, which mixes labels
_base_ = '../../../_base_/models/convnest-tiny.py'
model = dict(head=None, train_cfg=None)
