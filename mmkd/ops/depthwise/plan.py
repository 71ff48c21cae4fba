"""How a convolution is given to the Triton kernels: grids, sizes and constants, worked out once for each shape."""
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from .blocks import Blocks, blocks_for

MAX_BRANCHES = 3
SCRATCH_NUMBERS = 2**26  # of one weight gradient's partial sums
PROGRAMS = 1024  # into which a weight gradient is split, if there are images enough


class Plan(NamedTuple):
    """What stays the same from call to call.

    Args:
        grid: Programs of the main kernel.
        sizes: Its numbers, in order.
        constants: Its constants, warps and stages.
        counts: Numbers in each kernel's Toeplitz matrices, or partial sums.
        other_grid: Programs of the kernel that writes the matrices, or adds the partial sums up.
        other_constants: Its constants.
    """
    grid: tuple[int, ...]
    sizes: tuple[int, ...]
    constants: dict
    counts: tuple[int, ...]
    other_grid: tuple[int, ...]
    other_constants: dict


def plan_for(kind: str, maps: Tensor, kernels: Sequence[Tensor]) -> Plan:
    """The plan for maps (N, C, H, W) and up to three kernels (C, 1, kh, kw).

    Args:
        kind: One of :data:`mmkd.ops.depthwise.blocks.KINDS`.
        maps: The input, or a tensor like it.
        kernels: Tensors of the kernels' shapes.
    """
    shapes = [kernel.shape[2:] for kernel in kernels]
    blocks = blocks_for(kind, maps, max(map(max, shapes)))
    if maps[0].numel() * blocks.images >= 2**31:  # the kernels count what lies between their images with 32 bits
        blocks = blocks._replace(images=1)
    make = _weight_gradient if kind == 'weight_gradient' else _convolution
    return make(maps.shape, maps.element_size(), blocks, *shapes)


@lru_cache(maxsize=4096)
def _convolution(maps: torch.Size, size: int, blocks: Blocks, *kernels: torch.Size) -> Plan:
    images, channels, height, width = maps
    one = max(height, width) <= blocks.block
    parts = []
    for short, long in map(sorted, kernels):
        reach = _up(long // 2, 8) * 8
        parts.append(short * (1 if one else _up(blocks.block + 2 * reach, blocks.block)))
    across = _up(width, blocks.block)
    several = across * _up(height, blocks.block)
    alignment = math.gcd(width, 16 // size)  # so many numbers, 16 bytes at most, are loaded at once
    shared = dict(BRANCHES=len(kernels), ONE=one, BLOCK=blocks.block, **_sides(kernels))
    return Plan(
        (_up(images, blocks.images) * several, channels),
        (images, channels, height, width // alignment, across, several),
        dict(shared, ALIGN=alignment, IMAGES=blocks.images, PRECISION=blocks.precision, num_warps=blocks.warps,
             num_stages=blocks.stages),
        tuple(channels * part * blocks.block**2 for part in parts), (channels, max(parts)), shared)


@lru_cache(maxsize=4096)
def _weight_gradient(maps: torch.Size, size: int, blocks: Blocks, *kernels: torch.Size) -> Plan:
    images, channels, height, width = maps
    one = max(height, width) <= blocks.block
    parts = [_up(short, blocks.taps) * (1 if one else 2 * _up(long // 2, blocks.block) + 1)
             for short, long in map(sorted, kernels)]
    numbers = [channels * part * blocks.taps * blocks.block**2 for part in parts]
    chunks = max(1, min(PROGRAMS // (channels * sum(parts)), _up(images, blocks.images),
                        SCRATCH_NUMBERS // max(numbers)))
    alignment = math.gcd(width, 16 // size)
    shared = dict(BRANCHES=len(kernels), ONE=one, BLOCK=blocks.block, TAPS=blocks.taps, **_sides(kernels))
    longest = max(map(max, kernels))
    return Plan(
        (sum(parts), channels, chunks),
        (images, channels, height, width // alignment, parts[0], sum(parts[:2]), chunks),
        dict(shared, ALIGN=alignment, IMAGES=blocks.images, PRECISION=blocks.precision, num_warps=blocks.warps,
             num_stages=blocks.stages),
        tuple(chunks * number for number in numbers), (max(map(min, kernels)), channels, len(kernels)),
        dict(shared, LENGTH=1 << (longest - 1).bit_length()))


def _up(number: int, divisor: int) -> int:
    return -(-number // divisor)


def _sides(kernels: Sequence[torch.Size]) -> dict[str, int]:
    three = [*kernels, *[kernels[0]] * (MAX_BRANCHES - len(kernels))]
    return {f'{name}{index}': kernel[axis] for index, kernel in enumerate(three)
            for axis, name in enumerate(('KH', 'KW'))}
