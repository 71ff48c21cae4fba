"""Depthwise convolution with gradients: as an autograd function, and as an operator for ``torch.compile``."""
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .blocks import SHORT
from .choice import CONVOLVE, WEIGHT_GRADIENTS, Table, choose, give_up_triton, padding_to
from .plain import cpu_layout, touching_lengths


class DepthwiseConvolve(torch.autograd.Function):
    """Convolves one input with each of the kernels, and adds the bias to the first result.

    Shapes: input (N, C, H, W), bias (C,), weights (C, 1, kh, kw). Returns maps of the input's shape.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, bias: Tensor | None, *weights: Tensor) -> tuple[Tensor, ...]:
        """Convolves."""
        ctx.save_for_backward(input, *weights)
        return tuple(convolve(input, weights, bias))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Computes the gradients that are asked for."""
        need_input, need_bias, *need_weights = ctx.needs_input_grad
        grad_input, grad_weights, grad_bias = _gradients(
            ctx.saved_tensors, grads, (need_input, any(need_weights), need_bias), input_gradient, weight_gradients)
        return grad_input, grad_bias, *grad_weights


def _gradients(saved: Sequence[Tensor], grads: Sequence[Tensor], needed: tuple[bool, bool, bool],
               input_gradient: Callable[..., Tensor], weight_gradients: Callable[..., list[Tensor]],
               ) -> tuple[Tensor | None, Sequence[Tensor | None], Tensor | None]:
    """The gradients of input, kernels and bias that are needed, by these functions."""
    input, *weights = saved
    need_input, need_weights, need_bias = needed
    grad_weights: Sequence[Tensor | None] = [None] * len(weights)
    if need_weights:
        grad_weights = weight_gradients(
            input, grads, [weight.shape[2] for weight in weights], [weight.shape[3] for weight in weights])
    return (input_gradient(grads, weights) if need_input else None, grad_weights,
            grads[0].sum((0, 2, 3)) if need_bias else None)


def convolve(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None) -> list[Tensor]:
    """See :class:`DepthwiseConvolve`; without gradients."""
    if not input.numel():
        return [_empty_result(input, weights) for _ in weights]
    results = _run(CONVOLVE, input, [weight.shape for weight in weights],
                   lambda module, paddings: module.convolve(input, _padded(weights, paddings), bias))
    layout = _layout(input, weights)
    return [result.contiguous(memory_format=layout) for result in results]


def input_gradient(grads: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """The gradient of the input. Shapes: as in :func:`depthwise_input_gradient`."""
    if not grads[0].numel():
        return _empty_result(grads[0], weights)
    gradient = _run(CONVOLVE, grads[0], [weight.shape for weight in weights],
                    lambda module, paddings: module.input_gradient(grads, _padded(weights, paddings)))
    return gradient.contiguous(memory_format=_layout(grads[0], weights))


def weight_gradients(input: Tensor, grads: Sequence[Tensor], heights: Sequence[int],
                     widths: Sequence[int]) -> list[Tensor]:
    """The gradients of the kernels. Shapes: as in :func:`depthwise_weight_gradients`."""
    sizes = list(zip(heights, widths, strict=True))
    if not input.numel():
        return [input.new_zeros(input.shape[1], 1, *size) for size in sizes]
    touching = [touching_lengths(size, input.shape) for size in sizes]
    gradients = _run(WEIGHT_GRADIENTS, input, touching,
                     lambda module, _: module.weight_gradients(input, grads, touching))
    paddings = [padding_to(part, size) for part, size in zip(touching, sizes)]
    # viewed, since contiguous() leaves any stride to the axis of one channel, of which DDP warns
    return [gradient.contiguous().view(gradient.shape) for gradient in _padded(gradients, paddings)]


def _padded(weights: Sequence[Tensor], paddings: Sequence[tuple[int, ...] | None]) -> Sequence[Tensor]:
    return [weight if padding is None else F.pad(weight, padding) for weight, padding in zip(weights, paddings)]


def _run(table: Table, maps: Tensor, sizes: Sequence[Sequence[int]], run: Callable[..., Any]) -> Any:
    """Runs what is chosen, with how to pad the kernels; if it is Triton's and fails, the next best from then on."""
    chosen = choose(table, maps, sizes)
    try:
        return run(*chosen)
    except getattr(chosen.module, 'FAILURES', ()) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        give_up_triton(error)
    return run(*choose(table, maps, sizes))


def _layout(maps: Tensor, weights: Sequence[Tensor]) -> torch.memory_format:
    """The layout of a result; the compiler has to know it without running anything."""
    if maps.device.type == 'cpu':
        return cpu_layout(maps, weights)
    if max(max(weight.shape[2:]) for weight in weights) > SHORT:  # what Triton's kernels write; a norm takes it so
        return torch.contiguous_format
    strided = maps.is_contiguous(memory_format=torch.channels_last) and not maps.is_contiguous()
    return torch.channels_last if strided else torch.contiguous_format


def _empty_result(maps: Tensor, weights: Sequence[Tensor]) -> Tensor:
    return torch.empty_like(maps, memory_format=_layout(maps, weights))


@torch.library.custom_op('mmkd::depthwise_convolve', mutates_args=(),
                         schema='(Tensor input, Tensor[] weights, Tensor? bias) -> Tensor[]')
def depthwise_convolve(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None = None) -> list[Tensor]:
    """See :class:`DepthwiseConvolve`; slower to call, and one opaque node for the compiler."""
    return convolve(input, weights, bias)


@torch.library.custom_op('mmkd::depthwise_input_gradient', mutates_args=(),
                         schema='(Tensor[] grads, Tensor[] weights) -> Tensor')
def depthwise_input_gradient(grads: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """The gradient of the input. Shapes: grads (N, C, H, W), weights (C, 1, kh, kw). Returns (N, C, H, W)."""
    return input_gradient(grads, weights)


@torch.library.custom_op('mmkd::depthwise_weight_gradients', mutates_args=(),
                         schema='(Tensor input, Tensor[] grads, SymInt[] heights, SymInt[] widths) -> Tensor[]')
def depthwise_weight_gradients(input: Tensor, grads: Sequence[Tensor], heights: Sequence[int],
                               widths: Sequence[int]) -> list[Tensor]:
    """The gradients of the kernels. Shapes: input and grads (N, C, H, W). Returns (C, 1, kh, kw) each."""
    return weight_gradients(input, grads, heights, widths)


@depthwise_convolve.register_fake
def _fake_convolve(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None = None) -> list[Tensor]:
    return [_empty_result(input, weights) for _ in weights]


@depthwise_input_gradient.register_fake
def _fake_input_gradient(grads: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    return _empty_result(grads[0], weights)


@depthwise_weight_gradients.register_fake
def _fake_weight_gradients(input: Tensor, grads: Sequence[Tensor], heights: Sequence[int],
                           widths: Sequence[int]) -> list[Tensor]:
    return [input.new_empty(input.shape[1], 1, *size) for size in zip(heights, widths, strict=True)]


def _save(ctx: Any, inputs: tuple, output: list[Tensor]) -> None:
    input, weights, _ = inputs
    ctx.save_for_backward(input, *weights)


def _backward(ctx: Any, grads: Sequence[Tensor]) -> tuple[Tensor | None, Sequence[Tensor | None], Tensor | None]:
    need_input, need_weights, need_bias = ctx.needs_input_grad
    return _gradients(ctx.saved_tensors, grads, (need_input, any(need_weights), need_bias), depthwise_input_gradient,
                      depthwise_weight_gradients)


depthwise_convolve.register_autograd(_backward, setup_context=_save)
