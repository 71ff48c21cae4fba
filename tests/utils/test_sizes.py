"""Sizes that follow the images."""
from mmkd.utils.sizes import scaled_size


def test_the_ratio_of_the_build():
    assert scaled_size((10, 6), (7, 7), (14, 14)) == (20, 12)
    assert scaled_size((9, 5), (8, 8), (7, 7)) == (8, 4)
    assert scaled_size((1, 1), (8, 8), (2, 2)) == (1, 1)
