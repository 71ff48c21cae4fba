# ConvNeXt-T with a batch norm after each 7x7 convolution: SLaK's backbone without its wide, decomposed kernels
_base_ = '../../../_base_/models/slak-tiny.py'
model = dict(
    backbone=dict(
        width_factor=1.0,
        kernel_sizes=(7, 7, 7, 7),
        decomposed=False,
        small_kernel=None,
        drop_path_rate=0.1,
        layer_scale_init_value=1e-6),
    head=dict(in_channels=768))
