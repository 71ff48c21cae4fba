# A bigger Mask R-CNN on the digit scenes: twice as wide, trained twice as long. It teaches the smaller one.
# Command: python tools/train.py configs/quickstart/mask-rcnn_convnest-wide_digits.py
# status: reproduced (two CPU cores; see docs/compare_methods.md)
_base_ = './mask-rcnn_convnest-mini_digits.py'
model = dict(
    backbone=dict(arch=dict(channels=[32, 64, 128])),
    neck=dict(in_channels=[32, 64, 128], out_channels=96),
    rpn_head=dict(in_channels=96, feat_channels=96),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=96),
        bbox_head=dict(in_channels=96),
        mask_roi_extractor=dict(out_channels=96),
        mask_head=dict(in_channels=96)))
train_cfg = dict(max_epochs=8, val_interval=8)
