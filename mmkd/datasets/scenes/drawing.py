"""Draws scenes: a texture, and things cut out of pictures placed on it at random."""
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np


class Cutout(Protocol):
    """A thing without its background. ``opacity`` is (height, width), from 0 to 1; 0.5 or more is the thing's mask."""

    opacity: np.ndarray

    def paint(self, rng: np.random.Generator, canvas: np.ndarray) -> None:
        """Blends the thing into a piece of canvas of its size, RGB from 0 to 1, in place."""


@dataclass(frozen=True)
class Look:
    """What scenes are like.

    Args:
        things: The lowest and highest number of things in a scene; there are fewer where no place is left.
        heights: The lowest and highest size that is asked of a cutout, as a part of the scene's side.
        overlap: The largest part of a thing's visible pixels that another one may share.
        brightness: The range of the ground's darkest grey.
    """
    things: tuple[int, int] = (2, 6)
    heights: tuple[float, float] = (0.25, 0.375)
    overlap: float = 0.1
    brightness: tuple[float, float] = (0.1, 0.3)


def draw_texture(rng: np.random.Generator, size: int, brightness: tuple[float, float] = (0.1, 0.3)) -> np.ndarray:
    """Draws clouds, stripes, checks or a gradient between two greys with a tint and grain.

    Args:
        rng: Decides everything.
        size: Side of the texture.
        brightness: The range of the first grey.

    Returns:
        RGB from 0 to 1, (size, size, 3).
    """
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, period = rng.uniform(0, 2 * np.pi), rng.uniform(8, 32)
    grid = rng.random((2 + int(size / period),) * 2, dtype=np.float32)
    clouds = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    # the clouds bend the stripes and the checks
    u, v = (np.sin(2 * np.pi / period * axis + 3 * clouds) for axis in (along, across))
    gradient = (along - along.min()) / np.ptp(along)
    pattern = (clouds, 0.5 + 0.5 * u, (u * v > 0), gradient)[rng.integers(4)]
    first = rng.uniform(*brightness) + rng.uniform(-0.04, 0.04, 3)
    second = first + rng.uniform(-0.12, 0.12) + rng.uniform(-0.04, 0.04, 3)
    image = first + (second - first) * pattern[..., None]
    return np.clip(image + rng.normal(0, 0.03, (size, size, 1)), 0, 1)


def random_window(rng: np.random.Generator, size: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """A random place for a patch on a square canvas."""
    top, left = (int(rng.integers(size - side + 1)) for side in shape)
    return slice(top, top + shape[0]), slice(left, left + shape[1])


def draw_scene(rng: np.random.Generator, size: int, count: int,
               cut: Callable[[np.random.Generator, int, float], Cutout],
               look: Look) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Draws some of the given things; a later one covers those before it.

    Args:
        rng: Decides everything.
        size: Side of the scene.
        count: How many things there are to choose from; none occurs twice in a scene.
        cut: Takes ``rng``, a thing's row and a height in pixels, and cuts the thing out.
        look: How many, how large, and on which ground.

    Returns:
        RGB from 0 to 1, (size, size, 3); the owner of each pixel, (size, size), which is 0 for the
        background and i for the i-th thing; the things' rows.
    """
    canvas, owner = draw_texture(rng, size, look.brightness), np.zeros((size, size), np.uint8)
    placed: list[int] = []
    least, most = look.things
    for row in rng.choice(count, rng.integers(least, most + 1), replace=False).tolist():
        for _ in range(50):
            cutout = cut(rng, row, rng.uniform(*look.heights) * size)
            window, mask = random_window(rng, size, cutout.opacity.shape), cutout.opacity >= 0.5
            if not overlaps(owner, window, mask, look.overlap):
                placed.append(row)
                cutout.paint(rng, canvas[window])
                owner[window][mask] = len(placed)
                break
    return canvas, owner, placed


def overlaps(owner: np.ndarray, window: tuple[slice, slice], mask: np.ndarray, most: float) -> bool:
    """Whether a new thing would share more than a part of its own or another thing's pixels."""
    areas = np.bincount(owner.ravel())
    shared = np.bincount(owner[window][mask], minlength=len(areas))[1:]
    return bool(shared.sum() > most * mask.sum() or (shared > most * areas[1:]).any())
