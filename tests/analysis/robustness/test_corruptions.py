"""Corruptions are the same for all, and change no random numbers of others."""
import sys

import numpy as np
import pytest

from mmkd.analysis.robustness.corruptions import Corruptions
from mmkd.datasets.classification.imagenet_variants import CORRUPTIONS
from mmkd.utils import UserError

pytest.importorskip('imagecorruptions')


def image(size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)


@pytest.mark.parametrize('name', CORRUPTIONS)
def test_the_same_bits_again(name):
    original = image()
    first, again, other = (Corruptions(seed)(original, 7, name, 3) for seed in (0, 0, 1))
    assert first.shape == original.shape and first.dtype == np.uint8 and np.array_equal(first, again)
    assert np.array_equal(original, image())
    assert not np.array_equal(first, original)
    drawn = name not in ('defocus_blur', 'zoom_blur', 'brightness', 'contrast', 'pixelate', 'jpeg_compression')
    assert np.array_equal(first, other) != drawn


def test_each_image_draws_its_own_numbers_and_nobody_elses():
    corrupt = Corruptions()
    np.random.seed(3)
    expected = np.random.random(3)
    np.random.seed(3)
    one, two = (corrupt(image(), index, 'gaussian_noise', 1) for index in (0, 1))
    assert not np.array_equal(one, two) and np.array_equal(np.random.random(3), expected)


def test_harder_is_farther():
    distances = [np.abs(Corruptions()(image(), 0, 'gaussian_noise', s).astype(int) - image()).mean() for s in (1, 3, 5)]
    assert distances == sorted(distances) and distances[0] > 0


def test_what_a_user_can_mend(monkeypatch):
    corrupt = Corruptions()
    with pytest.raises(UserError, match='at least 32×32, got 28×28'):
        corrupt(image(28), 0, 'fog', 1)
    with pytest.raises(UserError, match="got 'foq'. Did you mean fog"):
        corrupt(image(), 0, 'foq', 1)
    with pytest.raises(UserError, match='severities from 1 to 5, got 6'):
        corrupt(image(), 0, 'fog', 6)
    monkeypatch.setitem(sys.modules, 'imagecorruptions', None)
    with pytest.raises(UserError, match='pip install imagecorruptions-imaug'):
        Corruptions()
