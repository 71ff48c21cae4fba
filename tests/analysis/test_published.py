"""The papers' figures are found for their own settings only."""
import pytest

from mmkd.analysis import Published, published_complexity
from mmkd.analysis.published import _FAMILIES
from mmkd.analysis.published_tables import TABLES

SWIN = dict(type='SwinTransformer', embed_dims=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], mlp_ratio=4)


@pytest.mark.parametrize(('backbone', 'want'), [
    (dict(type='mmkd.ConvNeSt'), Published('27', '4.8', 'ConvNeSt, Table 4')),
    (dict(type='mmkd.ConvNeSt', arch='base', structure='isotropic', drop_path_rate=.1),
     Published('84', '16.3', 'ConvNeSt, Table 4')),
    (dict(type='SLaK', arch='small'), Published('55', '9.8', 'SLaK, at 40 % sparsity')),
    (dict(type='mmkd.CSWinTransformer', arch='large'), Published('173', '31.5', 'CSWin, Table 2; with attention')),
    (dict(type='mmkd.SLaK', arch='tiny', kernel_sizes=[31, 29, 27, 13]),
     Published('30', '4.8', "the authors' README of SLaK")),
    (dict(type='mmkd.SLaK', arch='tiny', kernel_sizes=(31, 29, 27, 5)), None),
    (dict(type='mmkd.SLaK', arch='small', kernel_sizes=(31, 29, 27, 13)), None),
    (dict(type='ConvNeXt', arch='tiny', drop_path_rate=.1), Published('29', '4.5', 'ConvNeSt, Table 4')),
    (dict(type='ConvNeXt', arch='tiny', use_grn=True, layer_scale_init_value=0.),
     Published('29', '4.5', 'Huang et al., Table 6')),
    (dict(type='ConvNeXt', arch=dict(depths=[18], channels=[384]), stem_patch_size=16, out_indices=(0,)),
     Published('22', '4.3', 'ConvNeSt, Table 4')),
    (dict(type='ConvNeXt', arch=dict(depths=[3, 3, 9, 3], channels=[96, 192, 384, 768])), None),
    (dict(type='VisionTransformer', arch='deit-base', patch_size=14),
     Published('86.57', '23.09', 'ScaleKD, Table 3; with attention')),
    (dict(type='mmkd.SLaK', arch='large'), None),
    (dict(type='mmkd.ConvNeSt', arch=dict(depths=(1,), channels=(4,))), None),
    (dict(type='ResNet', depth=50, num_stages=4), Published('25.56', '4.12', 'ScaleKD, Table 3')),
    (dict(type='ResNet', depth=101), None),
    ({}, None),
])
def test_published(backbone, want):
    assert published_complexity(dict(type='mmpretrain.ImageClassifier', backbone=backbone)) == want


@pytest.mark.parametrize(('model', 'shape', 'want'), [
    (dict(type='TimmClassifier', model_name='mobilenetv1_100'), (224, 224), ('4.23', '0.58')),
    (dict(type='ImageClassifier', backbone=dict(type='CSWinTransformer', arch='base', stripe_widths=(1, 2, 12))),
     (384, 384), ('78', '47.0')),
    (dict(type='ImageClassifier', backbone=dict(type='CSWinTransformer', arch='base')), (384, 384), None),
    (dict(type='MaskRCNN', backbone=SWIN, neck=dict(type='FPN'), roi_head=dict(mask_head={'type': 'FCNMaskHead'})),
     (800, 1280), ('-', '267')),
    (dict(type='MaskRCNN', backbone=SWIN, neck=dict(type='FPN'), roi_head=dict(mask_head={'type': 'FCNMaskHead'})),
     (800, 1216), None),
    (dict(type='MaskRCNN', backbone=SWIN, neck=dict(type='PAFPN'), roi_head=dict(mask_head={'type': 'FCNMaskHead'})),
     (800, 1280), None),
    (dict(type='CascadeRCNN', backbone=SWIN, neck=dict(type='FPN'), roi_head=dict(bbox_head=[])), (800, 1280), None),
    (dict(type='EncoderDecoder', backbone=dict(type='mmkd.SLaK', arch='base'), decode_head=dict(type='UPerHead')),
     (512, 2048), ('135', '1172')),
    (dict(type='EncoderDecoder', backbone=dict(type='mmkd.SLaK'), decode_head=dict(type='FCNHead')), (512, 2048), None),
])
def test_published_by_task_and_size(model, shape, want):
    row = published_complexity(model, (3, *shape))
    assert (row and (row.params, row.flops)) == want


def test_every_row_has_an_arch_and_two_figures():
    for table in TABLES:
        assert table.family == 'timm' or table.family in _FAMILIES
        for row in table.rows.split(';'):
            _, *figures = row.split()
            assert len(figures) == 2 and all(figure == '-' or float(figure) > 0 for figure in figures)
