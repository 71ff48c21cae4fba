# A ConvNet for the 2020s, arXiv 2201.03545, Sec. 3.3: isotropic ConvNeXt-B; 87 M parameters; mmpretrain
# The authors' stem has no norm; mmpretrain's has one.
_base_ = 'mmpretrain::_base_/models/convnext/convnext-tiny.py'
model = dict(
    backbone=dict(
        arch=dict(_delete_=True, depths=[18], channels=[768]),
        stem_patch_size=16,
        layer_scale_init_value=0.,
        out_indices=(0,),
        drop_path_rate=0.4),
    head=dict(in_channels=768),
    data_preprocessor=dict(
        num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True))
