"""PHIS: what it does to the distribution of features."""
import math

import pytest
import torch

from mmkd.standardisers import PHIS
from mmkd.utils import UserError


def features(count: int, channels: int, seed: int = 0) -> torch.Tensor:
    """Correlated, with variances over six orders of magnitude, and far from 0."""
    torch.manual_seed(seed)
    mixing = torch.randn(channels, channels).double() * torch.logspace(-2, 1, channels).double()
    return 30 + torch.randn(count, channels).double() @ mixing.T


@pytest.mark.parametrize('channels', [8, 12, 36, 384, 768])
def test_all_channels_get_the_variance_1(channels):
    norm, data = PHIS(channels, steps=1), features(2 * channels, channels)
    result = norm(data)
    torch.testing.assert_close(result.mean(0), torch.zeros(channels).double(), atol=1e-4, rtol=0)
    covariance = result.T @ result / len(result)
    torch.testing.assert_close(covariance.diagonal(), torch.ones(channels).double(), atol=1e-3, rtol=0)
    assert float(covariance.trace()) == pytest.approx(channels, rel=1e-4)


@pytest.mark.slow
def test_all_channels_of_a_large_teacher():
    norm, data = PHIS(1152, steps=1), features(2000, 1152)
    torch.testing.assert_close(norm(data).square().mean(0), torch.ones(1152).double(), atol=1e-3, rtol=0)


@pytest.mark.parametrize('channels', [16, 12])
def test_it_is_a_rotation_and_one_scale_and_can_be_inverted(channels):
    norm, data = PHIS(channels, steps=1), features(500, channels)
    result, matrix = norm(data), norm.map.double()
    alpha = 1 / math.sqrt(torch.linalg.eigvalsh(data.T.cov(correction=0)).mean())
    torch.testing.assert_close(matrix @ matrix.T, alpha**2 * torch.eye(channels).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(result @ (matrix / alpha**2) + norm.mean, data, atol=1e-3, rtol=1e-5)


def test_closed_form_of_two_channels():
    """With independent channels of variances 9 and 1 the axes are the channels, the smaller variance first."""
    data = torch.tensor([[3., 1.], [3., -1.], [-3., 1.], [-3., -1.]]) + torch.tensor([5., 7.])
    result = PHIS(2, steps=1)(data)
    alpha = 5**-0.5  # the mean variance is 5
    x, y = data[:, 0] - 5, data[:, 1] - 7
    torch.testing.assert_close(result, alpha * torch.stack([y + x, y - x], 1) / math.sqrt(2))


def test_distances_keep_their_proportions():
    norm, data = PHIS(12, steps=1), features(300, 12)
    before, after = torch.pdist(data), torch.pdist(norm(data))
    torch.testing.assert_close(after / before, (after / before)[0].expand(len(after)), rtol=1e-4, atol=0)


def test_low_rank_features_are_no_problem():
    data = torch.randn(200, 3).double() @ torch.randn(3, 16).double()
    result = PHIS(16, steps=1)(data)
    torch.testing.assert_close(result.square().mean(0), torch.ones(16).double(), atol=1e-3, rtol=0)


def test_a_width_without_a_matrix():
    with pytest.raises(UserError, match='got 10. Use mmkd.ChannelStandardisation'):
        PHIS(10)
