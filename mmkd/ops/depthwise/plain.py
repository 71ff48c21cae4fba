"""Depthwise convolution by ``conv2d``, in the layout in which it is fast."""
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

HALF = (torch.float16, torch.bfloat16)
# Measured on two CPU cores with AVX-512, for maps of 4 to 56, 64 to 4608 channels and 1 to 16 images.
FEW_TAPS = 9  # up to 3×3 PyTorch's own weight gradient is 2 to 10 times as fast
CACHED_NUMBERS = 2**18  # of the images whose weight gradients are computed at once; of fewer than
FEWEST_IMAGES = 4  # it is one by one, which needs no copy
SHORT_SIDE = 7  # long kernels up to this wide take 0.7 to 1.2 times as long on contiguous maps as in channels_last,
CONTIGUOUS_SIDE = 20  # from this size on; on smaller ones 1.1 to 1.6 times
BAND = 7  # rows whose weight gradients of such kernels are computed at once: on larger maps in 0.4 to 0.9 of the time
SLOW_WIDTH, GOOD_WIDTH = 13, 15  # kernels 13 wide take 1.5 to 3 times as long as those 15 wide; zeros are worth it
FEWEST_POSITIONS = 96  # from so many positions on


def convolve(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None = None) -> list[Tensor]:
    """Convolves one input with each of the kernels, and adds the bias to the first result.

    Shapes: input (N, C, H, W), weights (C, 1, kh, kw), bias (C,). Returns maps of the input's shape.
    """
    if input.device.type != 'cpu':
        return [_conv2d(input, weight, None if index else bias) for index, weight in enumerate(weights)]
    dtype = input.dtype
    if dtype in HALF:
        input, weights = input.float(), [weight.float() for weight in weights]
        bias = None if bias is None else bias.float()
    maps = input.contiguous(memory_format=cpu_layout(input, weights))
    results = [_conv2d(maps, weight, None if index else bias) for index, weight in enumerate(weights)]
    return [result.to(dtype) for result in results] if dtype in HALF else results


def cpu_layout(input: Tensor, weights: Sequence[Tensor]) -> torch.memory_format:
    """The layout in which the CPU convolves: ``channels_last``, where 5×51 runs 10 to 20 times as fast.

    Large contiguous maps stay so for K×k kernels with small k, which are as fast there.
    """
    if not input.is_contiguous() or min(input.shape[2:]) < CONTIGUOUS_SIDE:
        return torch.channels_last
    tall = all(weight.shape[2] > weight.shape[3] and weight.shape[3] <= SHORT_SIDE for weight in weights)
    return torch.contiguous_format if tall else torch.channels_last


def touching_lengths(size: tuple[int, int], maps: tuple[int, int, int, int]) -> tuple[int, int]:
    """Height and width of what a kernel needs: the taps that meet more than padding."""
    return tuple([min(length, 2 * max(extent, 1) - 1) for length, extent in zip(size, maps[2:])])


def best_lengths(size: tuple[int, int], maps: tuple[int, int, int, int]) -> tuple[int, int]:
    """Height and width that a kernel, cut or with zeros around it, is convolved with on the CPU."""
    rows, columns = touching_lengths(size, maps)
    if size[1] <= SHORT_SIDE:
        rows = size[0]  # rows of padding take no time, and a cut is a copy
    if columns == SLOW_WIDTH and (size[1] > SLOW_WIDTH or maps[0] * maps[2] * maps[3] >= FEWEST_POSITIONS):
        columns = GOOD_WIDTH
    return rows, columns


def input_gradient(grads: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """The gradient of the input: each output's gradient, convolved with its kernel turned around, summed.

    On the CPU this takes half the time of PyTorch's own.

    Shapes: grads (N, C, H, W), weights (C, 1, kh, kw). Returns (N, C, H, W).
    """
    return summed(convolve, grads, weights)


def summed(convolve: Callable[..., list[Tensor]], grads: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """The gradient of the input by this function; on the CPU half precision is rounded once, after the sum."""
    total = None
    for grad, weight in zip(grads, weights, strict=True):
        turned = weight.flip(2, 3)
        part, = convolve(accumulated(grad), [accumulated(turned)])
        total = part if total is None else total.add_(part)
    return total.to(grads[0].dtype)


def accumulated(tensor: Tensor) -> Tensor:
    """Half precision on the CPU in float32, where it is 6 to 100 times as fast and sums are not rounded."""
    return tensor.float() if tensor.dtype in HALF and tensor.device.type == 'cpu' else tensor


def weight_gradients(input: Tensor, grads: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """The gradients of the kernels of these sizes.

    Shapes: input and grads (N, C, H, W). Returns (C, 1, kh, kw) each.
    """
    on_cpu = input.device.type == 'cpu'
    return [(_on_cpu if on_cpu and size[0] * size[1] > FEW_TAPS else _by_pytorch)(input, grad, tuple(size))
            for grad, size in zip(grads, sizes, strict=True)]


def _conv2d(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    channels, _, height, width = weight.shape
    return F.conv2d(input, weight, bias, 1, (height // 2, width // 2), 1, channels)


def _by_pytorch(input: Tensor, grad: Tensor, size: tuple[int, int]) -> Tensor:
    dtype, input, grad = input.dtype, accumulated(input), accumulated(grad)
    weight = input.new_empty(input.shape[1], 1, *size)
    padding = [length // 2 for length in size]
    gradients = torch.ops.aten.convolution_backward(
        grad, input, weight, None, (1, 1), padding, (1, 1), False, (0, 0), len(weight), (False, True, False))
    return gradients[1].to(dtype)


def _on_cpu(input: Tensor, grad: Tensor, size: tuple[int, int]) -> Tensor:
    """Computes the weight gradient as another depthwise convolution, a few images at a time.

    The gradient of tap (i, j) is the sum over positions of the padded map, moved by (i, j), times the output's
    gradient: the convolution of the map with the output's gradient as the kernel, each image's channel by itself.
    PyTorch's own kernel for it takes 3 to 30 times as long.
    """
    dtype, (images, channels, *area) = input.dtype, input.shape
    batch = CACHED_NUMBERS // (channels * area[0] * area[1])
    batch = batch if batch >= FEWEST_IMAGES else 1
    input, grad = (accumulated(maps).contiguous(memory_format=torch.channels_last) for maps in (input, grad))
    rows = BAND if max(size) <= SHORT_SIDE and area[0] > 2 * BAND else area[0]
    total = None
    for first in range(0, images, batch):
        maps, kernels = (some[first:first + batch] for some in (input, grad))
        for top in range(0, area[0], rows):
            part = _correlation(maps, kernels[:, :, top:top + rows], top, size)
            part = part.view(-1, channels, *size).sum(0) if len(part) > channels else part
            total = part if total is None else total.add_(part)
    return total[:, None].to(dtype)


def _correlation(maps: Tensor, grad: Tensor, top: int, size: tuple[int, int]) -> Tensor:
    """The weight gradients (N·C, 1, kh, kw) of a band of rows of each image, which begins at row ``top``.

    The images lie side by side, (1, N·C, H, W), in memory as (H, W, N·C): convolutions are slow in other layouts.
    """
    margin, (band, columns) = size[0] // 2, grad.shape[2:]
    first, last = max(top - margin, 0), min(top + band + margin, maps.shape[2])
    above, below = first - (top - margin), top + band + margin - last  # rows of padding that the band meets
    padding = max(above, below)
    maps = maps[:, :, first:last].permute(2, 3, 0, 1).flatten(2)[None].permute(0, 3, 1, 2)
    # a matrix is transposed much faster than four axes are reordered, which conv2d would do
    kernels = grad.permute(2, 3, 0, 1).reshape(band * columns, -1).t().contiguous().view(-1, 1, band, columns)
    out = F.conv2d(maps, kernels, padding=(padding, size[1] // 2), groups=maps.shape[1])[0]
    return out[:, padding - above:padding - above + size[0]]
