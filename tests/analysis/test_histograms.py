"""Moments and histograms beside SciPy and closed forms."""
import math

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmkd.analysis.histograms import (
    MomentSums,
    common_edges,
    count_values,
    feature_counts,
    feature_moments,
    layer_weight,
    mixing_layers,
)
from mmkd.distillers.models import load_model_config, student_config
from mmkd.utils import UserError


def moments(*parts: torch.Tensor):
    sums = MomentSums()
    for part in parts:
        sums.add(part)
    return sums.moments()


@pytest.mark.parametrize('offset', [0., 1e6])
def test_moments_of_parts_are_those_of_scipy(offset):
    stats = pytest.importorskip('scipy.stats')
    values = torch.from_numpy(np.random.default_rng(0).gamma(2., 3., 5000)) + offset
    found = moments(values[:7], values[7:2002].reshape(-1, 3, 1), values[2002:])
    array = values.numpy()
    expected = [array.mean(), array.std(), stats.skew(array), stats.kurtosis(array)]
    assert np.allclose([found.mean, found.std, found.skewness, found.kurtosis], expected, rtol=1e-6)
    assert (found.number, found.lowest, found.highest) == (5000, array.min(), array.max())


def test_closed_forms():
    coin = moments(torch.tensor([0., 1.] * 50))
    assert (coin.mean, coin.std, coin.skewness, coin.kurtosis) == pytest.approx((0.5, 0.5, 0., -2.))
    one_of_ten = moments(torch.tensor([1.] + [0.] * 9))  # Bernoulli, p = 0.1
    assert one_of_ten.skewness == pytest.approx(0.8 / 0.3) and one_of_ten.kurtosis == pytest.approx(0.46 / 0.09)
    for constant in (0., 0.1, -3e7):
        flat = moments(torch.full((33, ), constant), torch.full((5, ), constant))
        assert math.isnan(flat.skewness) and math.isnan(flat.kurtosis) and flat.std == pytest.approx(0, abs=1.)


def test_values_that_are_no_numbers_and_no_values():
    with pytest.raises(UserError, match='got 2 of 3 that are NaN or infinite'):
        moments(torch.tensor([1., math.nan, math.inf]))
    with pytest.raises(UserError, match='expects values, got none'):
        moments(torch.zeros(0))


def test_common_edges_hold_all_distributions_but_not_their_outliers():
    narrow, wide = moments(torch.linspace(-1, 1, 100)), moments(torch.linspace(0, 7, 100))
    edges = common_edges([narrow, wide], 10)
    assert (edges[0], edges[-1], len(edges)) == (-1, 7, 11)
    outlier = moments(torch.cat([torch.linspace(-1, 1, 999), torch.tensor([1e3])]))
    assert common_edges([outlier])[-1] == pytest.approx(outlier.mean + 5 * outlier.std)
    flat = common_edges([moments(torch.full((4, ), 2.))])
    assert flat[0] < 2 < flat[-1]


def test_features_are_counted_over_all_batches():
    net = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 1))
    batches = [torch.randn(2, 3, 4, 4), torch.randn(1, 3, 4, 4)]
    values = torch.cat([batch.relu().flatten() for batch in batches])
    found = feature_moments(net, batches, ['0', '1@input'])
    assert found['0'] == found['1@input'] and found['0'].number == 3 * 48
    assert found['0'].mean == pytest.approx(values.mean().item())
    edges = common_edges([found['0']], 7)
    counts = feature_counts(net, batches, {'0': edges})['0']
    assert counts.tolist() == count_values(values, edges).tolist() and counts.sum() == (values <= edges[-1]).sum()


def build(name: str) -> nn.Module:
    init_default_scope('mmpretrain')
    return MODELS.build(student_config(load_model_config(name)).model)


def test_the_layers_of_the_papers_figures():
    student = build('quickstart/convnest-mini_digits-5shot.py')
    layers = mixing_layers(student)
    assert len(layers) == 3 and all(layer.endswith('depthwise_conv') for layer in layers)
    assert [layer_weight(student, layer).shape[1] for layer in layers] == [1, 1, 1]
    assert layers[0].startswith('backbone.stages.0.')
    teacher = build('quickstart/slak-mini_digits.py')
    assert all(teacher.get_submodule(layer).groups > 1 for layer in mixing_layers(teacher))


def test_networks_without_depthwise_convolutions():
    timm = pytest.importorskip('timm')
    resnet = timm.create_model('resnet18')
    assert mixing_layers(resnet) == [f'layer{i}.1.conv2' for i in range(1, 5)]
    vit = timm.create_model('vit_tiny_patch16_224', img_size=32)
    assert mixing_layers(vit)[-1] == 'blocks.11.mlp.fc2'


def test_a_layer_that_is_none():
    with pytest.raises(UserError, match="got '0': it has none"):
        layer_weight(nn.Sequential(nn.ReLU()), '0')
    with pytest.raises(UserError, match='there is no such module'):
        layer_weight(nn.Sequential(nn.ReLU()), '7')
