"""Depthwise convolution by ``conv2d``, in the layout in which it is fast."""
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# The sizes of the parts in which the weight gradient is computed. Measured on one CPU core for 5×51, 51×5 and 7×7
# kernels on maps of 2 to 56, 64 to 4608 channels and 4 to 50 images: 1 to 10 times as fast as PyTorch's.
LARGE_MAP_AREA = 32 * 32
LARGE_MAP_CHANNELS = 64
CACHED_NUMBERS = 2**17
FEW_TAPS = 9  # up to 3×3 PyTorch's own weight gradient is 4 to 8 times as fast
SHORT_SIDE = 7  # up to this width the contiguous layout is as fast on the CPU as channels_last


def convolve(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None = None) -> list[Tensor]:
    """Convolves one input with each of the kernels, and adds the bias to the first result.

    Shapes: input (N, C, H, W), weights (C, 1, kh, kw), bias (C,). Returns maps of the input's shape.
    """
    if input.device.type != 'cpu':
        return [_conv2d(input, weight, None if index else bias) for index, weight in enumerate(weights)]
    maps = accumulated(input).contiguous(memory_format=cpu_layout(input, [weight.shape[2:] for weight in weights]))
    return [_conv2d(maps, accumulated(weight), None if index or bias is None else accumulated(bias)).to(input.dtype)
            for index, weight in enumerate(weights)]


def cpu_layout(input: Tensor, sizes: Sequence[Sequence[int]]) -> torch.memory_format:
    """The layout in which the CPU convolves: ``channels_last``, where 5×51 runs 10 to 20 times as fast.

    Contiguous maps stay so for K×k kernels with small k, which are as fast there.
    """
    tall = all(rows > columns and columns <= SHORT_SIDE for rows, columns in sizes)
    return torch.contiguous_format if tall and input.is_contiguous() else torch.channels_last


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
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.float() if half and tensor.device.type == 'cpu' else tensor


def weight_gradients(input: Tensor, grads: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """The gradients of the kernels of these sizes.

    Shapes: input and grads (N, C, H, W). Returns (C, 1, kh, kw) each.
    """
    on_cpu = input.device.type == 'cpu'
    return [(_on_cpu if on_cpu and size[0] * size[1] > FEW_TAPS else _by_pytorch)(input, grad, tuple(size))
            for grad, size in zip(grads, sizes, strict=True)]


def _conv2d(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    padding = [size // 2 for size in weight.shape[2:]]
    return F.conv2d(input, weight, bias, padding=padding, groups=len(weight))


def _by_pytorch(input: Tensor, grad: Tensor, size: tuple[int, int]) -> Tensor:
    dtype, input, grad = input.dtype, accumulated(input), accumulated(grad)
    weight = input.new_empty(input.shape[1], 1, *size)
    padding = [length // 2 for length in size]
    gradients = torch.ops.aten.convolution_backward(
        grad, input, weight, None, (1, 1), padding, (1, 1), False, (0, 0), len(weight), (False, True, False))
    return gradients[1].to(dtype)


def _on_cpu(input: Tensor, grad: Tensor, size: tuple[int, int]) -> Tensor:
    """Computes the weight gradient as another depthwise convolution, in parts that fit the cache.

    The gradient of tap (i, j) is the sum over positions of the padded map, moved by (i, j), times the output's
    gradient: the convolution of the map with the output's gradient as the kernel. PyTorch's own kernel for it takes
    several times the time of the forward pass.
    """
    images, channels, rows, columns = input.shape
    area = rows * columns
    chunk = min(channels, LARGE_MAP_CHANNELS) if area > LARGE_MAP_AREA else channels
    batch = max(1, CACHED_NUMBERS // (chunk * area))
    dtype = input.dtype
    input, grad = (accumulated(maps).permute(2, 3, 0, 1) for maps in (input, grad))  # (H, W, N, C)
    total = input.new_zeros(channels, *size)
    for first_image in range(0, images, batch):
        for first in range(0, channels, chunk):
            some, these = slice(first_image, first_image + batch), slice(first, first + chunk)
            total[these] += _swapped(input[:, :, some, these], grad[:, :, some, these], size)
    return total[:, None].to(dtype)


def _swapped(input: Tensor, grad: Tensor, size: tuple[int, int]) -> Tensor:
    """Convolves the padded (H, W, N, C) map with the gradient, each image's channel by itself: (C, kh, kw)."""
    (height, width), (rows, columns, images, channels) = size, input.shape
    padded = input.new_zeros(rows + height - 1, columns + width - 1, images, channels)
    padded[height // 2:height // 2 + rows, width // 2:width // 2 + columns] = input
    maps = padded.flatten(2).permute(2, 0, 1)[None]  # (1, N·C, H + kh - 1, W + kw - 1)
    kernels = grad.flatten(2).permute(2, 0, 1)[:, None]  # (N·C, 1, H, W)
    out = F.conv2d(maps, kernels, groups=images * channels)  # (1, N·C, kh, kw)
    return out.view(images, channels, *size).sum(0)
