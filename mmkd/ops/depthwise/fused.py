"""Depthwise convolution by Triton kernels for GPUs: one pass over the input for all kernels.

A program computes a square block of one channel. As in :mod:`.matrix` the kernel's longer side is a Toeplitz matrix;
here it is read tap by tap out of the kernel, which stays in the cache, and the block of products never leaves the
chip. Along the block's other side the kernel's shorter side is a loop. Small maps are put below each other, so that
the tensor cores have rows enough. Sums are in float32 and rounded once; nothing depends on the order of programs, so
results are the same in each run.
"""
from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

ROWS = 128  # of a program's block, over all its maps; half of them in float32, which takes more shared memory
LARGEST_BLOCK = 64
MAX_BRANCHES = 3
SCRATCH_NUMBERS = 2**26  # of one weight gradient's partial sums
CHUNKS = 8  # into which a weight gradient's images are split at most


@triton.jit
def _along(maps, weight, first_image, first_a, first_b, images, size_a, size_b, stride_n, stride_a, stride_b,
           tap_stride_a, tap_stride_b, KA: tl.constexpr, KB: tl.constexpr, TURNED: tl.constexpr, IMAGES: tl.constexpr,
           BLOCK: tl.constexpr, PRECISION: tl.constexpr):
    """A block (IMAGES·BLOCK, BLOCK) of the convolution; b is the axis of the kernel's longer side."""
    rows = tl.arange(0, IMAGES * BLOCK)
    image = first_image + rows // BLOCK
    a = first_a + rows % BLOCK
    b = first_b + tl.arange(0, BLOCK)
    low = tl.maximum(first_b - KB // 2, 0)
    high = tl.minimum(first_b + BLOCK + KB // 2, size_b)
    total = tl.zeros((IMAGES * BLOCK, BLOCK), dtype=tl.float32)
    for tap_a in range(KA):
        read_a = a + tap_a - KA // 2
        inside = (image < images) & (read_a >= 0) & (read_a < size_a)
        base = maps + image.to(tl.int64) * stride_n + read_a * stride_a
        for start in range(low, high, BLOCK):
            read_b = start + tl.arange(0, BLOCK)
            values = tl.load(base[:, None] + read_b[None, :] * stride_b,
                             mask=inside[:, None] & (read_b < size_b)[None, :], other=0.)
            tap_b = read_b[:, None] - b[None, :] + KB // 2
            if TURNED:
                tap = (KA - 1 - tap_a) * tap_stride_a + (KB - 1 - tap_b) * tap_stride_b
            else:
                tap = tap_a * tap_stride_a + tap_b * tap_stride_b
            matrix = tl.load(weight + tap, mask=(tap_b >= 0) & (tap_b < KB), other=0.)
            total = tl.dot(values, matrix, total, input_precision=PRECISION)
    return total


@triton.jit
def _branch(maps, weight, first_image, channel, top, left, images, channels, height, width, KH: tl.constexpr,
            KW: tl.constexpr, TURNED: tl.constexpr, IMAGES: tl.constexpr, BLOCK: tl.constexpr,
            PRECISION: tl.constexpr):
    """A block of one kernel's result, its rows those of the maps."""
    maps += channel.to(tl.int64) * height * width
    weight += channel * KH * KW
    if KH > KW:
        total = _along(maps, weight, first_image, left, top, images, width, height, channels * height * width, 1,
                       width, 1, KW, KW, KH, TURNED, IMAGES, BLOCK, PRECISION)
        total = tl.permute(tl.reshape(total, (IMAGES, BLOCK, BLOCK)), (0, 2, 1))
        total = tl.reshape(total, (IMAGES * BLOCK, BLOCK))
    else:
        total = _along(maps, weight, first_image, top, left, images, height, width, channels * height * width, width,
                       1, KW, 1, KH, KW, TURNED, IMAGES, BLOCK, PRECISION)
    return total


@triton.jit
def _store(out, total, first_image, channel, top, left, images, channels, height, width, IMAGES: tl.constexpr,
           BLOCK: tl.constexpr):
    rows = tl.arange(0, IMAGES * BLOCK)
    image, row, column = first_image + rows // BLOCK, top + rows % BLOCK, left + tl.arange(0, BLOCK)
    inside = ((image < images) & (row < height))[:, None] & (column < width)[None, :]
    place = (image.to(tl.int64) * channels + channel) * height * width + row * width
    tl.store(out + place[:, None] + column[None, :], total.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _place(width, IMAGES: tl.constexpr, BLOCK: tl.constexpr):
    """First image, channel, top row and left column of this program's block."""
    across = tl.cdiv(width, BLOCK)
    block = tl.program_id(0)
    return tl.program_id(2) * IMAGES, tl.program_id(1), block // across * BLOCK, block % across * BLOCK


@triton.jit
def _convolve_kernel(maps, weight0, weight1, weight2, bias, out0, out1, out2, images, channels, height, width,
                     BRANCHES: tl.constexpr, HAS_BIAS: tl.constexpr, KH0: tl.constexpr, KW0: tl.constexpr,
                     KH1: tl.constexpr, KW1: tl.constexpr, KH2: tl.constexpr, KW2: tl.constexpr, IMAGES: tl.constexpr,
                     BLOCK: tl.constexpr, PRECISION: tl.constexpr):
    image, channel, top, left = _place(width, IMAGES, BLOCK)
    total = _branch(maps, weight0, image, channel, top, left, images, channels, height, width, KH0, KW0, False,
                    IMAGES, BLOCK, PRECISION)
    if HAS_BIAS:
        total += tl.load(bias + channel).to(tl.float32)
    _store(out0, total, image, channel, top, left, images, channels, height, width, IMAGES, BLOCK)
    if BRANCHES > 1:
        total = _branch(maps, weight1, image, channel, top, left, images, channels, height, width, KH1, KW1, False,
                        IMAGES, BLOCK, PRECISION)
        _store(out1, total, image, channel, top, left, images, channels, height, width, IMAGES, BLOCK)
    if BRANCHES > 2:
        total = _branch(maps, weight2, image, channel, top, left, images, channels, height, width, KH2, KW2, False,
                        IMAGES, BLOCK, PRECISION)
        _store(out2, total, image, channel, top, left, images, channels, height, width, IMAGES, BLOCK)


@triton.jit
def _input_gradient_kernel(grad0, grad1, grad2, weight0, weight1, weight2, out, images, channels, height, width,
                           BRANCHES: tl.constexpr, KH0: tl.constexpr, KW0: tl.constexpr, KH1: tl.constexpr,
                           KW1: tl.constexpr, KH2: tl.constexpr, KW2: tl.constexpr, IMAGES: tl.constexpr,
                           BLOCK: tl.constexpr, PRECISION: tl.constexpr):
    image, channel, top, left = _place(width, IMAGES, BLOCK)
    total = _branch(grad0, weight0, image, channel, top, left, images, channels, height, width, KH0, KW0, True,
                    IMAGES, BLOCK, PRECISION)
    if BRANCHES > 1:
        total += _branch(grad1, weight1, image, channel, top, left, images, channels, height, width, KH1, KW1, True,
                         IMAGES, BLOCK, PRECISION)
    if BRANCHES > 2:
        total += _branch(grad2, weight2, image, channel, top, left, images, channels, height, width, KH2, KW2, True,
                         IMAGES, BLOCK, PRECISION)
    _store(out, total, image, channel, top, left, images, channels, height, width, IMAGES, BLOCK)


@triton.jit
def _weight_gradient_kernel(maps, grads, partial, images, channels, size_a, size_b, stride_n, stride_a, stride_b,
                            chunks, KA: tl.constexpr, SHIFTS: tl.constexpr, IMAGES: tl.constexpr, BLOCK: tl.constexpr,
                            PRECISION: tl.constexpr):
    """Products of the output's gradient with the input, moved by one tap of side a, each diagonal in a column."""
    chunk, channel, part = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    tap_a = part // SHIFTS - KA // 2
    shift = (part % SHIFTS - SHIFTS // 2) * BLOCK
    rows, columns = tl.arange(0, IMAGES * BLOCK), tl.arange(0, BLOCK)
    offset = channel.to(tl.int64) * size_a * size_b
    total = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)
    for first_image in range(chunk * IMAGES, images, chunks * IMAGES):
        image = first_image + rows // BLOCK
        base = offset + image.to(tl.int64) * stride_n
        for first_a in range(0, size_a, BLOCK):
            a = first_a + rows % BLOCK
            inside = (image < images) & (a < size_a)
            read = inside & (a + tap_a >= 0) & (a + tap_a < size_a)
            for first_b in range(0, size_b, BLOCK):
                b = first_b + columns
                grad = tl.load(grads + (base + a * stride_a)[:, None] + (b * stride_b)[None, :],
                               mask=inside[:, None] & (b < size_b)[None, :], other=0.)
                b += shift
                values = tl.load(maps + (base + (a + tap_a) * stride_a)[:, None] + (b * stride_b)[None, :],
                                 mask=read[:, None] & ((b >= 0) & (b < size_b))[None, :], other=0.)
                total = tl.dot(tl.trans(grad), values, total, input_precision=PRECISION)
    first = ((chunk.to(tl.int64) * channels + channel) * KA * SHIFTS + part) * BLOCK * (2 * BLOCK - 1)
    diagonal = columns[None, :] - columns[:, None] + BLOCK - 1
    tl.store(partial + first + columns[:, None] * (2 * BLOCK - 1) + diagonal, total)


def convolve(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None = None) -> list[Tensor]:
    """See :func:`mmkd.ops.depthwise.plain.convolve`."""
    input = input.contiguous()
    results: list[Tensor] = []
    for first in range(0, len(weights), MAX_BRANCHES):
        some = [weight.contiguous() for weight in weights[first:first + MAX_BRANCHES]]
        outs = [torch.empty_like(input) for _ in some]
        grid, blocks = _blocks(input)
        with torch.cuda.device_of(input):
            _convolve_kernel[grid](
                input, *_three(some), bias if bias is not None else input, *_three(outs), *input.shape,
                BRANCHES=len(some), HAS_BIAS=bias is not None, **_kernel_sizes(some), **blocks)
        results += outs
        bias = None
    return results


def input_gradient(grads: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """See :func:`mmkd.ops.depthwise.plain.input_gradient`."""
    total = None
    for first in range(0, len(weights), MAX_BRANCHES):
        some = [weight.contiguous() for weight in weights[first:first + MAX_BRANCHES]]
        these = [grad.contiguous() for grad in grads[first:first + MAX_BRANCHES]]
        out = torch.empty_like(these[0])
        grid, blocks = _blocks(out)
        with torch.cuda.device_of(out):
            _input_gradient_kernel[grid](*_three(these), *_three(some), out, *out.shape, BRANCHES=len(some),
                                         **_kernel_sizes(some), **blocks)
        total = out if total is None else total.add_(out)
    return total


def weight_gradients(input: Tensor, grads: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """See :func:`mmkd.ops.depthwise.plain.weight_gradients`."""
    input = input.contiguous()
    return [_weight_gradient(input, grad.contiguous(), tuple(size)) for grad, size in zip(grads, sizes, strict=True)]


def _weight_gradient(input: Tensor, grad: Tensor, size: tuple[int, int]) -> Tensor:
    images, channels, height, width = input.shape
    tall = size[0] > size[1]
    short, long = min(size), max(size)
    extent_a, stride_a, extent_b, stride_b = (width, 1, height, width) if tall else (height, width, width, 1)
    _, blocks = _blocks(input)
    block, batch = blocks['BLOCK'], blocks['IMAGES']
    shifts = 1 if max(height, width) <= block else 2 * -(-(long // 2) // block) + 1
    shape = channels, short, shifts, block, 2 * block - 1
    chunks = max(1, min(CHUNKS, -(-images // batch), SCRATCH_NUMBERS // torch.Size(shape).numel()))
    partial = input.new_zeros((chunks, *shape), dtype=torch.float32)
    with torch.cuda.device_of(input):
        _weight_gradient_kernel[(chunks, channels, short * shifts)](
            input, grad, partial, images, channels, extent_a, extent_b, channels * height * width, stride_a, stride_b,
            chunks, KA=short, SHIFTS=shifts, **blocks)
    sums = partial.sum((0, 4))  # (C, short, shifts, 2·block - 1)
    total = 0
    for index in range(shifts):  # the last axis of each is an offset from -(block - 1), and a shift further
        left = long // 2 - (block - 1) + (index - shifts // 2) * block
        total = total + F.pad(sums[:, :, index], (left, long - left - (2 * block - 1)))
    return (total.transpose(1, 2) if tall else total)[:, None].to(input.dtype).contiguous()


def _blocks(input: Tensor) -> tuple[tuple[int, int, int], dict]:
    """The grid of programs, and the block each of them computes."""
    images, channels, height, width = input.shape
    block = min(LARGEST_BLOCK, max(16, triton.next_power_of_2(max(height, width))))
    batch = ROWS // block // (2 if input.dtype is torch.float32 else 1)
    grid = triton.cdiv(height, block) * triton.cdiv(width, block), channels, triton.cdiv(images, batch)
    # Triton would take TF32 for float32, whose error is 1000 times as large.
    return grid, dict(IMAGES=batch, BLOCK=block, PRECISION='ieee', num_warps=8 if block == LARGEST_BLOCK else 4)


def _three(tensors: list[Tensor]) -> list[Tensor]:
    return [*tensors, *[tensors[0]] * (MAX_BRANCHES - len(tensors))]


def _kernel_sizes(weights: list[Tensor]) -> dict[str, int]:
    return {f'{name}{index}': weight.shape[axis] for index, weight in enumerate(_three(weights))
            for name, axis in (('KH', 2), ('KW', 3))}
