"""Effective receptive fields against closed forms."""
import math

import numpy as np
import pytest
import torch
from torch import nn

from mmkd.analysis.erf import area_ratios, contribution_matrix, receptive_field
from mmkd.utils import UserError


class Net(nn.Module):
    """A plain network whose last layer is the tap ``body``."""

    def __init__(self, *layers):
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, images):
        return self.body(images)


def ones(kernel: int, channels: int = 3, stride: int = 1) -> nn.Conv2d:
    """A depthwise convolution of ones."""
    layer = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
    nn.init.ones_(layer.weight)
    return layer


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) + 0.1  # positive maps


@pytest.mark.parametrize(('kernel', 'depth'), [(3, 1), (3, 4), (5, 3), (7, 2)])
def test_a_stack_of_convolutions_of_ones(kernel, depth):
    """One dimension: ones convolved with themselves; two: the outer product; three channels: three times it."""
    field = receptive_field(Net(*[ones(kernel) for _ in range(depth)]), [images(2, 3, 40, 36)], 'body')
    line = np.ones(1)
    for _ in range(depth):
        line = np.convolve(line, np.ones(kernel))
    expected, half = np.zeros((40, 36)), len(line) // 2
    expected[20 - half:21 + half, 18 - half:19 + half] = 3 * np.outer(line, line)
    assert np.allclose(field.scores, expected, rtol=1e-6) and (field.images, field.skipped) == (2, 0)


def test_a_map_that_reads_one_pixel():
    layer = nn.Conv2d(3, 5, 1, stride=4)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    field = receptive_field(Net(layer), [images(1, 3, 32, 32)], 'body')  # a map of 8×8, of which (4, 4) is read
    assert field.scores[16, 16] == 15 and field.scores.sum() == 15


def test_only_positive_parts_count():
    layer = ones(1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2., -1., 1.]).reshape(3, 1, 1, 1))
    scores = receptive_field(Net(layer), [images(1, 3, 6, 6)], 'body').scores
    assert scores[3, 3] == 3  # the channel with a negative value has no gradient
    mixing = nn.Conv2d(3, 1, 1, bias=False)
    with torch.no_grad():
        mixing.weight.copy_(torch.tensor([4., -1., 1.]).reshape(1, 3, 1, 1))
    assert receptive_field(Net(mixing), [torch.ones(1, 3, 6, 6)], 'body').scores[3, 3] == 5


def test_batches_are_averaged_and_a_gradient_that_is_no_number_is_left_out():
    data = images(5, 3, 12, 12)
    data[1] = math.inf
    net = Net(ones(3), nn.GELU(), ones(3))
    passes = [data], data.split(1), [data[[0, 2, 3, 4]]]
    whole, single, sound = (receptive_field(net, part, 'body') for part in passes)
    assert (whole.images, whole.skipped) == (single.images, single.skipped) == (4, 1) and sound.skipped == 0
    assert np.allclose(whole.scores, single.scores, rtol=1e-6) and np.allclose(whole.scores, sound.scores, rtol=1e-6)
    with pytest.raises(UserError, match='got none of 1 images'):
        receptive_field(Net(ones(3), nn.GELU(), ones(3)), [data[1:2]], 'body')


def test_the_model_is_left_as_it_is():
    net = Net(ones(3), nn.BatchNorm2d(3)).eval()
    net.body[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    receptive_field(net, [images(2, 3, 8, 8)], 'body')
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert [parameter.requires_grad for parameter in net.parameters()] == [False, True, True]
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_tap_that_is_no_map():
    with pytest.raises(UserError, match=r"the tap 'body' expects a map \(N, C, H, W\), reads \(1, 3\)"):
        receptive_field(Net(ones(3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), [images(1, 3, 8, 8)], 'body')


def by_hand(scores: np.ndarray, threshold: float, rows: int, columns: int) -> float:
    """As the papers' scripts do it."""
    height, width = scores.shape
    for half in range(1, height // 2):
        inside = scores[height // 2 - half:height // 2 + 1 + half, width // 2 - half:width // 2 + 1 + half]
        if inside.sum() / scores.sum() > threshold:
            return (2 * half + 1)**2 / rows / columns
    return math.nan


@pytest.mark.parametrize('log', [True, False])
@pytest.mark.parametrize('size', [(64, 64), (41, 41), (32, 48)])
def test_area_ratios(log, size):
    y, x = np.mgrid[:size[0], :size[1]]
    distance = (y - size[0] // 2)**2 + (x - size[1] // 2)**2
    scores = 50 * np.exp(-distance / 60) + np.random.default_rng(0).random(size)
    shown = np.log10(scores + 1) if log else scores
    for reference in (None, (1024, 1024)):
        for threshold, ratio in area_ratios(scores, (0.2, 0.5, 0.99), log, reference).items():
            assert ratio == pytest.approx(by_hand(shown, threshold, *(reference or size)), nan_ok=True)


def test_area_ratios_are_strict_and_begin_at_three_pixels():
    scores = np.zeros((10, 10))
    scores[5, 5] = 1
    assert area_ratios(scores, (0.2, 0.99)) == {0.2: 0.09, 0.99: 0.09}
    scores[5, 7] = 1  # half of the sum lies in the square of side 3: not more than half
    assert area_ratios(scores, (0.5, ), log=False) == {0.5: 0.25}
    assert math.isnan(area_ratios(np.zeros((10, 10)))[0.2])


def test_the_matrix_that_is_shown():
    scores = np.array([[0., 9.], [99., 999.]])
    assert np.allclose(contribution_matrix(scores), [[0, 1 / 3], [2 / 3, 1]])
    assert np.allclose(contribution_matrix(scores, log=False), scores / 999)
    assert (contribution_matrix(np.zeros((2, 2))) == 0).all()
