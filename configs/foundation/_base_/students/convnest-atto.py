# ConvNeSt-A without a classifier, whose backbone ends with the pooled feature; without mixup, which mixes labels
_base_ = '../../../_base_/models/convnest-atto.py'
model = dict(head=None, train_cfg=None)
