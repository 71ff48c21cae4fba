"""Scenes: their textures, how much things overlap, and who owns a pixel."""
from dataclasses import dataclass

import numpy as np
import pytest

from mmkd.datasets.scenes.drawing import Look, draw_scene, draw_texture, overlaps


@dataclass(frozen=True)
class Square:
    """A thing of one grey."""
    opacity: np.ndarray
    grey: float

    def paint(self, rng, canvas):
        canvas[:] = self.grey


def cut(rng, row, height):
    return Square(np.ones((round(height),) * 2), 0.9 + 0.01 * row)


def scene(seed, look):
    return draw_scene(np.random.default_rng(seed), 96, 10, cut, look)


def test_pixels_belong_to_what_was_painted_last():
    for seed in range(20):
        canvas, owner, rows = scene(seed, Look(things=(3, 6), overlap=0.5))
        for number, row in enumerate(rows, 1):
            assert (owner == number).any() and (canvas[owner == number] == 0.9 + 0.01 * row).all()
        assert canvas[owner == 0].max() < 0.9
        assert len(set(rows)) == len(rows) <= 6


def test_overlap_is_bounded():
    shares = {}
    for most in (0., 0.4):
        areas = [np.bincount(scene(seed, Look(things=(8, 8), overlap=most))[1].ravel()) for seed in range(20)]
        side = [round(0.25 * 96) ** 2 * (1 - most) ** 7, round(0.375 * 96) ** 2]
        assert all(side[0] <= area <= side[1] for found in areas for area in found[1:])
        shares[most] = np.mean([len(found) - 1 for found in areas])
    assert shares[0.] < shares[0.4]  # what must not overlap finds no place


def test_sizes_are_those_asked_for():
    look = Look(things=(1, 1), heights=(0.4, 0.5))
    sides = {int(np.sqrt((scene(seed, look)[1] > 0).sum())) for seed in range(30)}
    assert min(sides) >= 38 and max(sides) <= 48 and len(sides) > 5


def test_overlaps_looks_at_both_things():
    owner = np.zeros((10, 10), np.uint8)
    owner[:2, :2] = 1
    everywhere, mask = (slice(0, 10), slice(0, 10)), np.ones((10, 10), bool)
    assert overlaps(owner, everywhere, mask, 0.1)  # all of the small one would be covered
    corner = np.zeros((10, 10), bool)
    corner[1:, 1:] = True
    assert not overlaps(owner, everywhere, corner, 0.3) and overlaps(owner, everywhere, corner, 0.2)


@pytest.mark.parametrize('brightness', [(0.1, 0.3), (0.5, 0.6)])
def test_grounds_are_textured(brightness):
    grounds = [draw_texture(np.random.default_rng(seed), 96, brightness) for seed in range(30)]
    # over blocks of 8×8 the grain, of 0.03, is averaged to 0.004: what is left are stripes, checks, clouds, gradients
    blocks = [ground.reshape(12, 8, 12, 8, 3).mean((1, 3)) for ground in grounds]
    assert np.mean([block.std((0, 1)).mean() for block in blocks]) > 0.012
    assert np.std([ground.mean() for ground in grounds]) > 0.01
    assert brightness[0] - 0.1 < np.mean(grounds) < brightness[1] + 0.1
