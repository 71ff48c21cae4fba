"""Depthwise convolution by batched matrix products.

Along the kernel's longer side the convolution of a row is a product with a Toeplitz matrix: row r of the output is the
sum over the shorter side's taps i of row r + i of the input times T_i, with T_i[a, b] = w[i, a - b + k // 2]. A kernel
about as long as the row wastes hardly anything, taps that would only meet padding vanish, and the products are
ordinary batched ones. The gradient of T_i is the input's rows times the output's gradient; each tap's is the sum of
one of its diagonals.
"""
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .plain import accumulated, summed

# On the CPU the weight gradient of so many numbers, or channels, is computed at once; measured: they stay in the cache.
CACHED_NUMBERS = 2**18
CHUNK = 32
WINDOW_NUMBERS = 2**22  # of one product in a forward pass on the CPU


def convolve(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None = None) -> list[Tensor]:
    """See :func:`mmkd.ops.depthwise.plain.convolve`."""
    results = []
    for index, weight in enumerate(weights):
        tall = weight.shape[2] > weight.shape[3]
        maps, kernels = _turned(accumulated(input), tall), _turned(accumulated(weight), tall)
        out = _along_rows(maps, kernels[:, 0])
        if bias is not None and not index:
            out = out + bias[:, None, None, None]
        results.append(_turned(out.transpose(0, 1), tall).to(input.dtype))
    return results


def input_gradient(grads: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """See :func:`mmkd.ops.depthwise.plain.input_gradient`."""
    return summed(convolve, grads, weights)


def weight_gradients(input: Tensor, grads: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """See :func:`mmkd.ops.depthwise.plain.weight_gradients`."""
    results, input = [], accumulated(input.contiguous())
    for grad, (rows, columns) in zip(grads, sizes, strict=True):
        tall = rows > columns
        size = (columns, rows) if tall else (rows, columns)
        maps = (_turned(tensor, tall).transpose(0, 1) for tensor in (input, accumulated(grad.contiguous())))
        results.append(_turned(_taps(*maps, *size)[:, None], tall).to(grad.dtype).contiguous())
    return results


def _turned(tensor: Tensor, tall: bool) -> Tensor:
    return tensor.transpose(2, 3) if tall else tensor


def _along_rows(input: Tensor, weight: Tensor) -> Tensor:
    """Convolves (N, C, H, W) with (C, kh, kw): (C, N, H, W).

    All taps are one product, so that half precision is rounded once.
    """
    images, channels, height, width = input.shape
    taps, padding = weight.shape[1], weight.shape[1] // 2
    length = images * (height + padding)
    rows = _rows(input.new_zeros(channels, length + 2 * padding, width), padding, input.transpose(0, 1))
    windows = rows.as_strided((channels, length, taps * width), (rows.stride(0), width, 1))
    chunk = channels
    if input.device.type == 'cpu':
        chunk = max(1, WINDOW_NUMBERS // (length * taps * width))  # the product copies the windows
    out = input.new_empty(channels, length, width)
    for first in range(0, channels, chunk):
        these = slice(first, first + chunk)
        torch.bmm(windows[these], toeplitz(weight[these], width).flatten(1, 2), out=out[these])
    return out.view(channels, images, height + padding, width)[:, :, :height]


def toeplitz(weight: Tensor, width: int) -> Tensor:
    """The matrices by which rows of this width are multiplied.

    Shapes: weight (C, kh, kw). Returns (C, kh, W, W): [c, i, a, b] is ``weight[c, i, a - b + kw // 2]``, or 0.
    """
    missing = width - 1 - weight.shape[2] // 2
    diagonals = F.pad(weight.flip(2), (missing, missing))  # (C, kh, 2·W - 1); a negative number crops
    return diagonals.unfold(2, width, 1).flip(2)


def _rows(out: Tensor, offset: int, maps: Tensor) -> Tensor:
    """Writes (C, N, H, W) maps below each other into (C, rows, W) zeros, with the gap between images that is there."""
    channels, images, height, width = maps.shape
    pitch = (out.shape[1] - 2 * offset) // max(images, 1)
    out[:channels, offset:offset + images * pitch].view(channels, images, pitch, width)[:, :, :height].copy_(maps)
    return out[:channels]


def _taps(input: Tensor, grad: Tensor, kernel_height: int, kernel_width: int) -> Tensor:
    """The gradient (C, kh, kw) of kernels that are wider than high, from (C, N, H, W) maps."""
    channels, images, height, width = input.shape
    padding = kernel_height // 2
    length = images * (height + padding)
    pitch = 2 * width  # a row of products and as many zeros, so that a diagonal runs through zeros past the matrix
    chunk = channels
    if input.device.type == 'cpu':
        chunk = min(channels, max(CHUNK, CACHED_NUMBERS // (2 * length * width + kernel_height * width * pitch)))
    inputs, grads = (input.new_zeros(chunk, length + 2 * offset, width) for offset in (padding, 0))
    flat = input.new_zeros(chunk * kernel_height * width * pitch + width)
    sums = []
    for first in range(0, channels, chunk):
        these = slice(first, first + chunk)
        rows = _rows(inputs, padding, input[these])
        turned = _rows(grads, 0, grad[these]).transpose(1, 2)
        shape = len(rows), kernel_height, width
        products = flat[:len(rows) * kernel_height * width * pitch].view(*shape, pitch)
        for tap in range(kernel_height):
            products[:, tap, :, width - 1:-1] = turned @ rows[:, tap:tap + length]
        strides = kernel_height * width * pitch, width * pitch, pitch + 1, 1
        sums.append(flat.as_strided((*shape, pitch - 1), strides).sum(2))
    missing = kernel_width // 2 - (width - 1)
    return F.pad(torch.cat(sums), (missing, missing))
