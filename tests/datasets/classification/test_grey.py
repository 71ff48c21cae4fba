"""Grey pictures get three channels, and others stay as they are."""
import numpy as np
import pytest

from mmkd.datasets.classification.grey import GreyToRGB


@pytest.mark.parametrize('shape', [(5, 4), (5, 4, 1)])
def test_a_channel_is_repeated(shape):
    image = np.arange(20, dtype=np.uint8).reshape(shape)
    results = GreyToRGB()(dict(img=image))
    assert results['img'].shape == (5, 4, 3) and results['img'].dtype == np.uint8
    assert (results['img'] == image.reshape(5, 4, 1)).all()
    assert results['img_shape'] == results['ori_shape'] == (5, 4)


def test_three_channels_stay():
    image = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    results = GreyToRGB()(dict(img=image, ori_shape=(9, 9)))
    assert results['img'] is image and results['ori_shape'] == (9, 9)
