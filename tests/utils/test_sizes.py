"""Sizes that follow the images."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.utils.sizes import resized, scaled_size


def test_the_ratio_of_the_build():
    assert scaled_size((10, 6), (7, 7), (14, 14)) == (20, 12)
    assert scaled_size((9, 5), (8, 8), (7, 7)) == (8, 4)
    assert scaled_size((1, 1), (8, 8), (2, 2)) == (1, 1)


@pytest.mark.parametrize(('mode', 'antialias'), [('bilinear', False), ('nearest', False), ('bicubic', True)])
def test_maps_are_resized_as_pytorch_does(mode, antialias):
    maps = torch.randn(2, 3, 6, 5)
    expected = F.interpolate(maps, (4, 7), mode=mode, antialias=antialias)
    assert torch.equal(resized(maps, [4, 7], mode, antialias), expected)
    assert resized(maps, (6, 5), mode, antialias) is maps
