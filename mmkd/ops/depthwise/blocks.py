"""How the work of the Triton kernels is cut into programs: a table made from measurements, and rules without one.

``python tools/analysis_tools/gpu_report.py --parts search`` repeats the measurements and prints the table's lines.
"""
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

LARGEST, SMALLEST = 64, 16  # sides of a block
SHORT = 9  # kernels up to this long need no blocks as long as the map
KINDS = ('convolve', 'input_gradient', 'weight_gradient')


class Blocks(NamedTuple):
    """What a program computes, and with what.

    Args:
        block: Side of its block of a map, a power of two.
        images: Images whose blocks it computes together.
        warps: Its threads by 32.
        stages: Loads that are under way at once, plus one.
        taps: Of the kernel's shorter side, those that a weight gradient's program computes together.
        precision: How float32 is multiplied: ``ieee``, or ``tf32x3`` on the tensor cores in three parts.
    """
    block: int
    images: int
    warps: int
    stages: int
    taps: int = 1
    precision: str = 'ieee'


# Compute capability, kind, power of two from the map's side on (16 to 64), whether kernels are long, bytes a number.
Key = tuple[tuple[int, int], str, int, bool, int]
TUNED: dict[Key, Blocks] = {}
_forced: list[dict[str, Blocks]] = []


def blocks_for(kind: str, maps: Tensor, longest: int) -> Blocks:
    """The cut for maps of this size and type, on their device.

    Args:
        kind: One of :data:`KINDS`.
        maps: (N, C, H, W).
        longest: The longest side of any kernel.
    """
    if _forced and kind in _forced[-1]:
        return _forced[-1][kind]
    side = covering(max(maps.shape[2:]))
    long, size = longest > SHORT, maps.element_size()
    if maps.device.type == 'cuda':
        known = TUNED.get((torch.cuda.get_device_capability(maps.device), kind, side, long, size))
        if known is not None:
            return known
    return rule(kind, side, long, size)


def covering(length: int) -> int:
    """The side of the smallest block that covers a map's side, or the largest block's."""
    return min(LARGEST, max(SMALLEST, 1 << (length - 1).bit_length()))


def rule(kind: str, side: int, long: bool, size: int) -> Blocks:
    """What is taken where nothing was measured: 128 rows a program, half of them for float32."""
    block = side if long else min(side, 32)
    images = max(1, (64 if size == 4 else 128) // block)
    warps = 8 if block == LARGEST else 4
    if kind == 'weight_gradient':
        return Blocks(block, images, warps, 2, taps=max(1, 64 // block))
    return Blocks(block, images, warps, 2)


@contextmanager
def use_blocks(**blocks: Blocks) -> Iterator[None]:
    """Takes these cuts, by kind, for everything within."""
    _forced.append(blocks)
    try:
        yield
    finally:
        _forced.pop()
