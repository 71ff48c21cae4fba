"""Depthwise convolution with kernels that are about as large as the map."""
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mmkd.utils import UserError

# The sizes of the parts in which the weight gradient is computed. Measured on one CPU core for 5×51, 51×5 and 7×7
# kernels on maps of 2 to 56, 64 to 4608 channels and 4 to 50 images: 1 to 10 times as fast as PyTorch's.
LARGE_MAP_AREA = 32 * 32
LARGE_MAP_CHANNELS = 64
CACHED_NUMBERS = 2**17


def large_kernel_depthwise_conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolves each channel with its own kernel, at stride 1, keeping the map's size.

    On the CPU the input is brought to ``channels_last`` first, where a 5×51 kernel runs 10 to 20 times
    faster than in the contiguous layout. A ``channels_last`` input is taken as it is. On other devices
    the layout is left alone. Taps that reach beyond the map from each of its positions are cut off: they
    meet padding only, and their gradient is 0 either way. The weight gradient, which takes most of a training step
    in PyTorch's implementation for the CPU, is computed by one of our own there.

    Args:
        input: The maps.
        weight: One kernel a channel; both its sizes are odd.
        bias: One number a channel, or None.

    Shapes: input (N, C, H, W); weight (C, 1, kh, kw); bias (C,). Returns (N, C, H, W).

    Raises:
        UserError: A shape does not fit the others, or a kernel size is even.
    """
    _check_shapes(input, weight, bias)
    if input.device.type == 'cpu':
        input = input.contiguous(memory_format=torch.channels_last)
    weight = _cut_idle_taps(weight, *input.shape[2:])
    if _swap_pays(input, weight):
        return _DepthwiseConv2d.apply(input, weight, bias)
    return _conv2d(input, weight, bias)


class _DepthwiseConv2d(torch.autograd.Function):
    """The same convolution; its weight gradient is computed as another depthwise convolution.

    The gradient of tap (i, j) is the sum over positions of the padded map, moved by (i, j), times the output's
    gradient: the convolution of the map with the output's gradient as the kernel. PyTorch's own kernel for it takes
    several times the time of the forward pass on the CPU.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        return _conv2d(input, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        input, weight = ctx.saved_tensors
        need_input, need_weight, need_bias = ctx.needs_input_grad
        grad = grad.contiguous(memory_format=torch.channels_last)
        padding = [size // 2 for size in weight.shape[2:]]
        grad_input = grad_weight = grad_bias = None
        if need_input:
            grad_input = torch.ops.aten.convolution_backward(
                grad, input, weight, None, (1, 1), padding, (1, 1), False, (0, 0), len(weight), (True, False, False))[0]
        if need_weight:
            grad_weight = _weight_gradient(input, grad, *weight.shape[2:])
        if need_bias:
            grad_bias = grad.sum((0, 2, 3))
        return grad_input, grad_weight, grad_bias


def _conv2d(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    padding = [size // 2 for size in weight.shape[2:]]
    return F.conv2d(input, weight, bias, padding=padding, groups=len(weight))


def _weight_gradient(input: Tensor, grad: Tensor, height: int, width: int) -> Tensor:
    """The gradient of the (C, 1, height, width) weight from two (N, C, H, W) maps, in parts that fit the cache."""
    images, channels, rows, columns = input.shape
    area = rows * columns
    chunk = min(channels, LARGE_MAP_CHANNELS) if area > LARGE_MAP_AREA else channels
    batch = max(1, CACHED_NUMBERS // (chunk * area))
    input, grad = input.permute(2, 3, 0, 1), grad.permute(2, 3, 0, 1)  # (H, W, N, C)
    total = input.new_zeros(channels, height, width)
    for first_image in range(0, images, batch):
        for first in range(0, channels, chunk):
            some, these = slice(first_image, first_image + batch), slice(first, first + chunk)
            total[these] += _swapped(input[:, :, some, these], grad[:, :, some, these], height, width)
    return total[:, None]


def _swapped(input: Tensor, grad: Tensor, height: int, width: int) -> Tensor:
    """Convolves the padded (H, W, N, C) map with the gradient, each image's channel by itself: (C, height, width)."""
    rows, columns, images, channels = input.shape
    padded = input.new_zeros(rows + height - 1, columns + width - 1, images, channels)
    padded[height // 2:height // 2 + rows, width // 2:width // 2 + columns] = input
    maps = padded.flatten(2).permute(2, 0, 1)[None]  # (1, N·C, H + height - 1, W + width - 1)
    kernels = grad.flatten(2).permute(2, 0, 1)[:, None]  # (N·C, 1, H, W)
    out = F.conv2d(maps, kernels, groups=images * channels)  # (1, N·C, height, width)
    return out.view(images, channels, height, width).sum(0)


def _swap_pays(input: Tensor, weight: Tensor) -> bool:
    """Whether our own weight gradient is needed and faster than PyTorch's: on the CPU, but for 3×3 kernels."""
    usual = input.device.type != 'cpu' or torch.compiler.is_compiling() or torch.is_autocast_cpu_enabled()
    return not usual and torch.is_grad_enabled() and weight.requires_grad and max(weight.shape[2:]) >= 5


def _cut_idle_taps(weight: Tensor, height: int, width: int) -> Tensor:
    rows, columns = (max(size // 2 - (extent - 1), 0) for size, extent in zip(weight.shape[2:], (height, width)))
    return weight[:, :, rows:weight.shape[2] - rows, columns:weight.shape[3] - columns]


def _check_shapes(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    shapes = f'input {tuple(input.shape)} and weight {tuple(weight.shape)}'
    if input.dim() != 4 or weight.dim() != 4 or weight.shape[1] != 1:
        raise UserError('large_kernel_depthwise_conv2d expects input (N, C, H, W) and weight (C, 1, kh, kw), '
                        f'got {shapes}. Give one kernel a channel.')
    if input.shape[1] != weight.shape[0]:
        raise UserError('large_kernel_depthwise_conv2d expects as many kernels as input channels, '
                        f'got {shapes}. Make dimension 1 of the input and dimension 0 of the weight equal.')
    if weight.shape[2] % 2 == 0 or weight.shape[3] % 2 == 0:
        raise UserError('large_kernel_depthwise_conv2d expects odd kernel sizes, '
                        f'got {shapes}. Pad the kernel by one row or column.')
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise UserError(f'large_kernel_depthwise_conv2d expects bias ({weight.shape[0]},), '
                        f'got {tuple(bias.shape)} with {shapes}. Give one number a channel.')
