"""Depthwise convolution by Triton kernels for GPUs: one pass over the input for all kernels.

A program computes a square block of one channel, of a few images. As in :mod:`.matrix` the kernel's longer side is a
Toeplitz matrix, written once for all images, and along its shorter side there is a product for each tap; the block of
sums never leaves the chip. Small maps are put below or beside each other, so that the tensor cores have rows enough.
Sums are in float32 and rounded once; nothing depends on the order of programs, so results are the same in each run.
"""
import math
import subprocess
from collections.abc import Sequence

import torch
import triton
from torch import Tensor
from triton.compiler.errors import CompilationError
from triton.runtime.errors import OutOfResources

from .blocks import Blocks, blocks_for
from .kernels import convolve_kernel, diagonals_kernel, input_gradient_kernel, toeplitz_kernel, weight_gradient_kernel

# What Triton, the assembler it calls and the driver raise where a kernel cannot be compiled or started.
FAILURES = (CompilationError, OutOfResources, RuntimeError, OSError, subprocess.SubprocessError)
MAX_BRANCHES = 3
SCRATCH_NUMBERS = 2**26  # of one weight gradient's partial sums
PROGRAMS = 1024  # into which a weight gradient is split, if there are images enough


def convolve(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None = None) -> list[Tensor]:
    """See :func:`mmkd.ops.depthwise.plain.convolve`."""
    input = input.contiguous()
    results: list[Tensor] = []
    for first in range(0, len(weights), MAX_BRANCHES):
        some = weights[first:first + MAX_BRANCHES]
        outs = [torch.empty_like(input) for _ in some]
        blocks = blocks_for('convolve', input, _longest(some))
        with torch.cuda.device_of(input):
            banks = _banks(some, input, blocks, turned=False)
            convolve_kernel[_grid(input, blocks)](
                input, *_three(banks), bias if bias is not None else input, *_three(outs), *_sizes(input, blocks),
                BRANCHES=len(some), HAS_BIAS=bias is not None, **_kernel_sizes(some), **_constants(input, blocks),
                ONE=_is_one(input, blocks))
        results += outs
        bias = None
    return results


def input_gradient(grads: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """See :func:`mmkd.ops.depthwise.plain.input_gradient`."""
    total = None
    for first in range(0, len(weights), MAX_BRANCHES):
        some = weights[first:first + MAX_BRANCHES]
        these = [grad.contiguous() for grad in grads[first:first + MAX_BRANCHES]]
        out = torch.empty_like(these[0])
        blocks = blocks_for('input_gradient', out, _longest(some))
        with torch.cuda.device_of(out):
            banks = _banks(some, out, blocks, turned=True)
            input_gradient_kernel[_grid(out, blocks)](
                *_three(these), *_three(banks), out, *_sizes(out, blocks), BRANCHES=len(some), **_kernel_sizes(some),
                **_constants(out, blocks), ONE=_is_one(out, blocks))
        total = out if total is None else total.add_(out)
    return total


def weight_gradients(input: Tensor, grads: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """See :func:`mmkd.ops.depthwise.plain.weight_gradients`."""
    input = input.contiguous()
    return [_weight_gradient(input, grad.contiguous(), tuple(size)) for grad, size in zip(grads, sizes, strict=True)]


def _weight_gradient(input: Tensor, grad: Tensor, size: tuple[int, int]) -> Tensor:
    images, channels, height, width = input.shape
    short, long = min(size), max(size)
    blocks = blocks_for('weight_gradient', input, long)
    block, taps = blocks.block, blocks.taps
    groups = triton.cdiv(short, taps)
    shifts = 1 if _is_one(input, blocks) else 2 * triton.cdiv(long // 2, block) + 1
    shape = channels, groups, shifts, taps, block, block
    chunks = max(1, min(PROGRAMS // (channels * groups * shifts), triton.cdiv(images, blocks.images),
                        SCRATCH_NUMBERS // torch.Size(shape).numel()))
    partial = input.new_empty((chunks, *shape), dtype=torch.float32)
    out = input.new_empty(channels, 1, *size)
    shared = dict(KA=short, SHIFTS=shifts, TALL=size[0] > size[1], TAPS=taps)
    with torch.cuda.device_of(input):
        weight_gradient_kernel[groups * shifts, channels, chunks](
            input, grad, partial, *_sizes(input, blocks)[:4], groups, chunks, **shared, **_constants(input, blocks))
        diagonals_kernel[short, channels](partial, out, channels, groups, chunks, KB=long,
                                          LENGTH=triton.next_power_of_2(long), BLOCK=block, **shared)
    return out


def _banks(weights: Sequence[Tensor], maps: Tensor, blocks: Blocks, turned: bool) -> list[Tensor]:
    """The Toeplitz matrices (C, taps · steps, block, block) of each kernel, or of the kernel turned around."""
    block, one = blocks.block, _is_one(maps, blocks)
    counts = []
    for weight in weights:
        short, long = sorted(weight.shape[2:])
        reach = triton.cdiv(long // 2, 8) * 8
        counts.append(short * (1 if one else (2 * block + 2 * reach - 1) // block))
    banks = [weight.new_empty(len(weight), count, block, block) for weight, count in zip(weights, counts)]
    toeplitz_kernel[len(weights[0]), max(counts)](
        *_three([weight.contiguous() for weight in weights]), *_three(banks), BRANCHES=len(weights),
        **_kernel_sizes(weights), TURNED=turned, ONE=one, BLOCK=block)
    return banks


def _is_one(maps: Tensor, blocks: Blocks) -> bool:
    return max(maps.shape[2:]) <= blocks.block


def _grid(maps: Tensor, blocks: Blocks) -> tuple[int, int]:
    """Programs: blocks of all groups of images, times channels."""
    images, channels, height, width = maps.shape
    return (triton.cdiv(images, blocks.images) * triton.cdiv(height, blocks.block) * triton.cdiv(width, blocks.block),
            channels)


def _sizes(maps: Tensor, blocks: Blocks) -> tuple[int, ...]:
    """Images, channels, height, width by the alignment, blocks of a row, blocks of a map."""
    images, channels, height, width = maps.shape
    across = triton.cdiv(width, blocks.block)
    return images, channels, height, width // _alignment(maps), across, across * triton.cdiv(height, blocks.block)


def _alignment(maps: Tensor) -> int:
    """So many numbers, 16 bytes at most, can be loaded at once from where a row starts."""
    return math.gcd(maps.shape[3], 16 // maps.element_size())


def _constants(maps: Tensor, blocks: Blocks) -> dict:
    return dict(ALIGN=_alignment(maps), IMAGES=blocks.images, BLOCK=blocks.block, PRECISION=blocks.precision,
                num_warps=blocks.warps, num_stages=blocks.stages)


def _longest(weights: Sequence[Tensor]) -> int:
    return max(max(weight.shape[2:]) for weight in weights)


def _three(tensors: list[Tensor]) -> list[Tensor]:
    return [*tensors, *[tensors[0]] * (MAX_BRANCHES - len(tensors))]


def _kernel_sizes(weights: Sequence[Tensor]) -> dict[str, int]:
    return {f'{name}{index}': weight.shape[axis] for index, weight in enumerate(_three(list(weights)))
            for name, axis in (('KH', 2), ('KW', 3))}
