"""Sizes of maps that follow the size of the images."""
from collections.abc import Sequence


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
