"""Depthwise convolution with kernels that are about as large as the map."""
import torch
from torch import Tensor
from torch.nn import functional as F

from mmkd.utils import UserError


def large_kernel_depthwise_conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolves each channel with its own kernel, at stride 1, keeping the map's size.

    On the CPU the input is brought to ``channels_last`` first, where a 5×51 kernel runs 10 to 20 times
    faster than in the contiguous layout. A ``channels_last`` input is taken as it is. On other devices
    the layout is left alone. Taps that reach beyond the map from each of its positions are cut off: they
    meet padding only, and their gradient is 0 either way.

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
    height, width = weight.shape[2:]
    return F.conv2d(input, weight, bias, padding=(height // 2, width // 2), groups=weight.shape[0])


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
