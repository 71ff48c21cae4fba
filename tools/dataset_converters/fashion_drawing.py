"""Cuts pieces of clothing out of their photographs, for scenes. Used by fashion.py."""
from dataclasses import dataclass

import cv2
import numpy as np

GROUND = 10  # a photograph's ground is black; values up to this one, of 255, are noise


def silhouette(photo: np.ndarray) -> np.ndarray:
    """The largest piece that stands out from the black ground, with what it encloses.

    Args:
        photo: Grey, (28, 28).

    Returns:
        The mask, (28, 28).
    """
    ink = np.pad((photo > GROUND).astype(np.uint8), 2)
    closed = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, pieces, figures, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    if len(figures) == 1:  # all black
        return np.ones(photo.shape, bool)
    largest = 1 + figures[1:, cv2.CC_STAT_AREA].argmax()
    _, grounds = cv2.connectedComponents((pieces != largest).astype(np.uint8), connectivity=4)
    return (grounds != grounds[0, 0])[2:-2, 2:-2]


@dataclass(frozen=True)
class FashionCutout:
    """A piece of clothing of some size.

    Args:
        opacity: From 0 to 1, (height, width).
        grey: The photograph, from 0 to 1, of that shape.
    """
    opacity: np.ndarray
    grey: np.ndarray

    def paint(self, rng: np.random.Generator, canvas: np.ndarray) -> None:
        """Blends the photograph, dyed, into a piece of canvas; what is black in it stays visible."""
        dye = rng.uniform(0.4, 1, 3)
        shade = (0.2 + 0.8 * self.grey[..., None]) * (dye / dye.max())
        canvas += self.opacity[..., None] * (shade - canvas)


def cut_out(rng: np.random.Generator, photo: np.ndarray, size: float) -> FashionCutout:
    """Cuts a piece out, mirrored in every other case.

    Args:
        rng: Decides whether it is mirrored.
        photo: Grey from 0 to 255, (28, 28).
        size: The longer side of the result, in pixels.
    """
    photo = photo[:, ::-1] if rng.random() < 0.5 else photo
    mask = silhouette(photo)
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    mask, photo = mask[box].astype(np.float32), photo[box].astype(np.float32) / 255
    scale = size / max(mask.shape)
    shape = tuple(max(1, round(side * scale)) for side in mask.shape[::-1])
    opacity = cv2.resize(mask, shape, interpolation=cv2.INTER_LINEAR)
    # the black ground must not bleed into the edges
    grey = cv2.resize(photo * mask, shape, interpolation=cv2.INTER_LINEAR) / np.maximum(opacity, 1e-3)
    return FashionCutout(opacity, np.clip(grey, 0, 1))
