"""Sizes of maps that follow the size of the images."""
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def scaled_size(now: Sequence[int], built: Sequence[int], goal: Sequence[int]) -> tuple[int, int]:
    """The size that is to a map as the goal was to the map at build.

    Args:
        now: Height and width of the student's map.
        built: Those that it had at build.
        goal: Those that were wanted then.

    Returns:
        Height and width, at least 1.
    """
    height, width = (max(round(side * wanted / before), 1)
                     for side, before, wanted in zip(now, built, goal, strict=True))
    return height, width


def resized(maps: Tensor, size: Sequence[int], mode: str = 'bilinear', antialias: bool = False) -> Tensor:
    """Maps or images (N, C, H, W) at another size; as they are where they have it already.

    Args:
        maps: The maps.
        size: Height and width.
        mode: ``'bilinear'``, ``'bicubic'`` or ``'nearest'``.
        antialias: Whether to average over what falls between the new positions when it shrinks.
    """
    if tuple(maps.shape[2:]) == tuple(size):
        return maps
    corners = None if mode == 'nearest' else False
    return F.interpolate(maps, size=tuple(size), mode=mode, align_corners=corners, antialias=antialias)
