"""The papers' figures are found for their own settings only."""
import pytest

from mmkd.analysis.published import Published, published_complexity


@pytest.mark.parametrize(('backbone', 'want'), [
    (dict(type='mmkd.ConvNeSt'), Published('27', '4.8', 'ConvNeSt, Table 4')),
    (dict(type='mmkd.ConvNeSt', arch='base', structure='isotropic', drop_path_rate=.1),
     Published('84', '16.3', 'ConvNeSt, Table 4')),
    (dict(type='SLaK', arch='small'), Published('55', '9.8', 'SLaK, at 40 % sparsity')),
    (dict(type='mmkd.CSWinTransformer', arch='large'), Published('173', '31.5', 'CSWin, Table 2; with attention')),
    (dict(type='mmkd.SLaK', arch='tiny', kernel_sizes=(31, 29, 27, 13)), None),
    (dict(type='mmkd.SLaK', arch='large'), None),
    (dict(type='mmkd.ConvNeSt', arch=dict(depths=(1,), channels=(4,))), None),
    (dict(type='ResNet', depth=50), None),
    ({}, None),
])
def test_published(backbone, want):
    assert published_complexity(backbone) == want
