"""How the work of the Triton kernels is cut into programs: a table made from measurements, and rules without one.

``python tools/analysis_tools/gpu_report.py --parts search`` repeats the measurements and prints the table's lines.
"""
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
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


# Compute capability, kind, power of two from the map's side on (8 to 64), whether kernels are long, bytes a number.
Key = tuple[tuple[int, int], str, int, bool, int]
# 9.0 on an H200, PyTorch 2.11.0, Triton 3.6.0: layers of SLaK-T (long kernels) and ConvNeSt-T (7×7), 64 images.
TUNED: dict[Key, Blocks] = {
    ((9, 0), 'convolve', 64, True, 2): Blocks(64, 2, 4, 3, 1, 'ieee'),
    ((9, 0), 'convolve', 32, True, 2): Blocks(32, 4, 4, 3, 1, 'ieee'),
    ((9, 0), 'convolve', 16, True, 2): Blocks(16, 8, 4, 2, 1, 'ieee'),
    ((9, 0), 'convolve', 8, True, 2): Blocks(16, 8, 4, 3, 1, 'ieee'),
    ((9, 0), 'input_gradient', 64, True, 2): Blocks(64, 2, 4, 2, 1, 'ieee'),
    ((9, 0), 'input_gradient', 32, True, 2): Blocks(32, 4, 4, 3, 1, 'ieee'),
    ((9, 0), 'input_gradient', 16, True, 2): Blocks(16, 16, 4, 3, 1, 'ieee'),
    ((9, 0), 'input_gradient', 8, True, 2): Blocks(16, 16, 4, 3, 1, 'ieee'),
    ((9, 0), 'weight_gradient', 64, True, 2): Blocks(64, 2, 4, 2, 1, 'ieee'),
    ((9, 0), 'weight_gradient', 32, True, 2): Blocks(32, 2, 4, 2, 1, 'ieee'),
    ((9, 0), 'weight_gradient', 16, True, 2): Blocks(16, 4, 4, 2, 8, 'ieee'),
    ((9, 0), 'weight_gradient', 8, True, 2): Blocks(16, 4, 4, 2, 2, 'ieee'),
    ((9, 0), 'convolve', 64, False, 2): Blocks(64, 1, 4, 2, 1, 'ieee'),
    ((9, 0), 'convolve', 32, False, 2): Blocks(32, 4, 4, 2, 1, 'ieee'),
    ((9, 0), 'convolve', 16, False, 2): Blocks(16, 16, 4, 2, 1, 'ieee'),
    ((9, 0), 'convolve', 8, False, 2): Blocks(16, 8, 4, 3, 1, 'ieee'),
    ((9, 0), 'input_gradient', 64, False, 2): Blocks(64, 2, 4, 3, 1, 'ieee'),
    ((9, 0), 'input_gradient', 32, False, 2): Blocks(32, 4, 4, 2, 1, 'ieee'),
    ((9, 0), 'input_gradient', 16, False, 2): Blocks(16, 8, 4, 2, 1, 'ieee'),
    ((9, 0), 'input_gradient', 8, False, 2): Blocks(16, 8, 4, 3, 1, 'ieee'),
    ((9, 0), 'weight_gradient', 64, False, 2): Blocks(64, 2, 4, 2, 2, 'ieee'),
    ((9, 0), 'weight_gradient', 32, False, 2): Blocks(32, 4, 4, 2, 4, 'ieee'),
    ((9, 0), 'weight_gradient', 16, False, 2): Blocks(16, 4, 4, 2, 8, 'ieee'),
    ((9, 0), 'weight_gradient', 8, False, 2): Blocks(16, 4, 4, 3, 4, 'ieee'),
    ((9, 0), 'convolve', 64, True, 4): Blocks(64, 2, 8, 2, 1, 'ieee'),
    ((9, 0), 'convolve', 32, True, 4): Blocks(32, 4, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'convolve', 16, True, 4): Blocks(16, 8, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'convolve', 8, True, 4): Blocks(16, 4, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'input_gradient', 64, True, 4): Blocks(64, 1, 4, 2, 1, 'ieee'),
    ((9, 0), 'input_gradient', 32, True, 4): Blocks(32, 4, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'input_gradient', 16, True, 4): Blocks(16, 4, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'input_gradient', 8, True, 4): Blocks(16, 4, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'weight_gradient', 64, True, 4): Blocks(64, 1, 8, 2, 2, 'tf32x3'),
    ((9, 0), 'weight_gradient', 32, True, 4): Blocks(32, 2, 4, 2, 2, 'tf32x3'),
    ((9, 0), 'weight_gradient', 16, True, 4): Blocks(16, 8, 4, 2, 8, 'ieee'),
    ((9, 0), 'weight_gradient', 8, True, 4): Blocks(16, 4, 4, 2, 8, 'ieee'),
    ((9, 0), 'convolve', 64, False, 4): Blocks(16, 8, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'convolve', 32, False, 4): Blocks(32, 4, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'convolve', 16, False, 4): Blocks(16, 8, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'convolve', 8, False, 4): Blocks(16, 8, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'input_gradient', 64, False, 4): Blocks(16, 8, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'input_gradient', 32, False, 4): Blocks(32, 4, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'input_gradient', 16, False, 4): Blocks(16, 8, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'input_gradient', 8, False, 4): Blocks(16, 8, 4, 2, 1, 'tf32x3'),
    ((9, 0), 'weight_gradient', 64, False, 4): Blocks(64, 1, 4, 2, 1, 'ieee'),
    ((9, 0), 'weight_gradient', 32, False, 4): Blocks(32, 2, 4, 2, 4, 'ieee'),
    ((9, 0), 'weight_gradient', 16, False, 4): Blocks(16, 4, 4, 2, 8, 'ieee'),
    ((9, 0), 'weight_gradient', 8, False, 4): Blocks(16, 4, 4, 2, 4, 'ieee'),
}
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
    key = key_of(capability(maps.device), kind, maps.shape, longest, maps.element_size())
    return TUNED.get(key) or rule(*key[1:])


@cache
def capability(device: torch.device) -> tuple[int, int]:
    """A GPU's compute capability; (0, 0) of other devices."""
    return torch.cuda.get_device_capability(device) if device.type == 'cuda' else (0, 0)


def key_of(capability: tuple[int, int], kind: str, maps: Sequence[int], longest: int, size: int) -> Key:
    """What the table is looked up with; see there."""
    return capability, kind, min(LARGEST, max(8, 1 << (max(maps[2:]) - 1).bit_length())), longest > SHORT, size


def rule(kind: str, side: int, long: bool, size: int) -> Blocks:
    """What is taken where nothing was measured: 128 rows a program, half of them for float32."""
    block = max(SMALLEST, side if long else min(side, 32))
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
