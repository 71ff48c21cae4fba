"""Depthwise convolution with kernels that are about as large as the map."""
from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn

import torch
from torch import Tensor
from torch.nn import functional as F

from mmkd.utils import UserError

from .depthwise.operators import DepthwiseConvolve, convolve, depthwise_convolve

MAX_KERNEL = 127


def large_kernel_depthwise_conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolves each channel with its own kernel, at stride 1, keeping the map's size.

    What runs is picked from a table by device, type and sizes: ``conv2d`` in the faster layout, batched matrix
    products, or Triton's kernels (:mod:`mmkd.ops.depthwise.choice`, :func:`mmkd.ops.use_implementation`). Taps that
    reach beyond the map from each of its positions are cut off where that helps: they meet padding only, and their
    gradient is 0 either way. Under ``torch.export`` and while tracing it is a plain convolution.

    On the CPU the result is in ``channels_last``, but for large contiguous maps and kernels up to 7 wide, higher than
    wide; elsewhere it is contiguous.

    Args:
        input: The maps.
        weight: One kernel a channel; both its sizes are odd and at most 127.
        bias: One number a channel, or None.

    Shapes: input (N, C, H, W); weight (C, 1, kh, kw); bias (C,). Returns (N, C, H, W).

    Raises:
        UserError: A shape or type does not fit the others, or a kernel size is even or above 127.
    """
    return large_kernel_depthwise_branches(input, [weight], bias)[0]


def large_kernel_depthwise_branches(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None = None,
                                    ) -> list[Tensor]:
    """Convolves one input with several kernels; on GPUs with one pass over the input for three of them.

    Args:
        input: The maps.
        weights: See :func:`large_kernel_depthwise_conv2d`; their sizes may differ.
        bias: One number a channel, added to the first result, or None.

    Shapes: input (N, C, H, W); weights (C, 1, kh, kw); bias (C,). Returns (N, C, H, W) for each kernel.

    Raises:
        UserError: A shape or type does not fit the others, or a kernel size is even or above 127.
    """
    tracing, compiling = torch.jit.is_tracing(), torch.compiler.is_compiling()
    if not tracing:  # which would take each shape that is compared for a constant
        check = _check_shapes if compiling else _known_to_fit
        check(input.shape, None if bias is None else bias.shape, *[weight.shape for weight in weights])
    device = input.device.type
    if device != 'meta' and torch.is_autocast_enabled(device) and input.dtype is not torch.float64:
        dtype = torch.get_autocast_dtype(device)
        input, weights = input.to(dtype), [weight.to(dtype) for weight in weights]
        bias = None if bias is None else bias.to(dtype)
    leaves = [input, *weights] if bias is None else [input, bias, *weights]
    needs_grad = False
    for tensor in leaves:
        if tensor.dtype is not input.dtype:
            _refuse_types(input, weights, bias)
        needs_grad = needs_grad or tensor.requires_grad
    if tracing or compiling and _is_exporting():
        return [F.conv2d(input, weight, None if index else bias, padding=[size // 2 for size in weight.shape[2:]],
                         groups=weight.shape[0]) for index, weight in enumerate(weights)]
    if compiling:
        return depthwise_convolve(input, weights, bias)
    if needs_grad and torch.is_grad_enabled():
        return list(DepthwiseConvolve.apply(input, bias, *weights))
    return convolve(input, weights, bias)


def _is_exporting() -> bool:
    """Whether ``torch.export`` runs; before PyTorch 2.6 it cannot be told from ``torch.compile``."""
    return getattr(torch.compiler, 'is_exporting', torch.compiler.is_compiling)()


def _refuse_types(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None) -> NoReturn:
    others = [('weight', weight) for weight in weights] + ([] if bias is None else [('bias', bias)])
    name, other = next((name, other) for name, other in others if other.dtype is not input.dtype)
    raise UserError(
        f'large_kernel_depthwise_conv2d expects one type, got {input.dtype}, {other.dtype} for input '
        f'{tuple(input.shape)}, {name} {tuple(other.shape)}. Convert one of them with .to(), or use torch.autocast.')


def _check_shapes(input: torch.Size, bias: torch.Size | None, *weights: torch.Size) -> None:
    for weight in weights:
        _check_kernel(input, weight, bias)


_known_to_fit = lru_cache(maxsize=4096)(_check_shapes)


def _check_kernel(input: torch.Size, weight: torch.Size, bias: torch.Size | None) -> None:
    if len(input) == 4 and len(weight) == 4 and weight[1] == 1 and input[1] == weight[0] and all(
            size % 2 and size <= MAX_KERNEL for size in weight[2:]) and (
            bias is None or tuple(bias) == (weight[0],)):
        return
    shapes = f'input {tuple(input)} and weight {tuple(weight)}'
    if len(input) != 4 or len(weight) != 4 or weight[1] != 1:
        raise UserError('large_kernel_depthwise_conv2d expects input (N, C, H, W) and weight (C, 1, kh, kw), '
                        f'got {shapes}. Give one kernel a channel.')
    if input[1] != weight[0]:
        raise UserError('large_kernel_depthwise_conv2d expects as many kernels as input channels, '
                        f'got {shapes}. Make dimension 1 of the input and dimension 0 of the weight equal.')
    if any(size % 2 == 0 for size in weight[2:]):
        raise UserError('large_kernel_depthwise_conv2d expects odd kernel sizes, '
                        f'got {shapes}. Pad the kernel by one row or column.')
    if max(weight[2:]) > MAX_KERNEL:
        raise UserError(f'large_kernel_depthwise_conv2d expects kernels up to {MAX_KERNEL} long, '
                        f'got {shapes}. Take a smaller kernel, or torch.nn.functional.conv2d.')
    raise UserError(f'large_kernel_depthwise_conv2d expects bias ({weight[0]},), '
                    f'got {tuple(bias)} with {shapes}. Give one number a channel.')
