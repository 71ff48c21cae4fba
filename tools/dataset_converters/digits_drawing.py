"""Draws handwritten digits on textures. Used by digits.py and demo.py."""
from dataclasses import dataclass

import cv2
import numpy as np

from mmkd.datasets.scenes.drawing import draw_texture

IMAGE_SIZE = 32


def draw_strokes(digit: np.ndarray, height: float) -> np.ndarray:
    """Enlarges an 8x8 digit to thick, soft-edged strokes.

    Returns:
        Opacity from 0 to 1, cropped to the strokes; 0.5 or more is the digit's mask.
    """
    side = int(np.ceil(1.5 * height))
    matrix = cv2.getRotationMatrix2D((3.5, 3.5), 0., height / 8)
    matrix[:, 2] += side / 2 - 3.5
    ink = cv2.warpAffine(digit, matrix, (side, side), flags=cv2.INTER_CUBIC)
    opacity = np.clip((ink - 0.26) / 0.3, 0, 1)
    rows, columns = (np.flatnonzero(opacity.max(axis)) for axis in (1, 0))
    return opacity[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]


def paint(rng: np.random.Generator, canvas: np.ndarray, opacity: np.ndarray) -> None:
    """Blends strokes into a piece of canvas of their size, in a bright ink that stands out."""
    inks = np.clip(rng.uniform(0.8, 1, (5, 1)) + rng.uniform(-0.1, 0.1, (5, 3)), 0, 1)
    distance = np.abs(inks - canvas.mean((0, 1))).sum(1)
    strength = opacity[..., None] * rng.uniform(0.8, 1)
    canvas += strength * (inks[distance.argmax()] - canvas)


def draw_image(rng: np.random.Generator, digit: np.ndarray) -> np.ndarray:
    """Draws one digit for classification; returns RGB from 0 to 1, (32, 32, 3)."""
    canvas = draw_texture(rng, IMAGE_SIZE)
    opacity = draw_strokes(digit, rng.uniform(0.75, 0.9) * IMAGE_SIZE)[:IMAGE_SIZE, :IMAGE_SIZE]
    top, left = (int(np.clip((IMAGE_SIZE - side) // 2 + rng.integers(-2, 3), 0, IMAGE_SIZE - side))
                 for side in opacity.shape)
    paint(rng, canvas[top:top + opacity.shape[0], left:left + opacity.shape[1]], opacity)
    return canvas


@dataclass(frozen=True)
class DigitCutout:
    """The strokes of a digit, of no colour yet."""
    opacity: np.ndarray

    def paint(self, rng: np.random.Generator, canvas: np.ndarray) -> None:
        """Blends the strokes into a piece of canvas."""
        paint(rng, canvas, self.opacity)
