"""Linear layer, GELU, layer norm, depthwise convolution, GELU, linear layer: on the CPU, a few images at a time."""
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .depthwise import operators

ROWS = 1024  # positions of the images of a tile, at least: with fewer the weights pass the memory too often

gelu, gelu_gradient = torch.ops.aten.gelu.out, torch.ops.aten.gelu_backward.grad_input


class Weights(NamedTuple):
    """The parameters: linear layers (D, C) and (C, D), layer norm (D,), kernels (D, 1, kh, kw), and biases."""
    first: Tensor
    first_bias: Tensor
    norm: Tensor
    norm_bias: Tensor
    kernel: Tensor
    kernel_bias: Tensor
    last: Tensor
    last_bias: Tensor


class Options(NamedTuple):
    """The norm's epsilon, and whether there is a shortcut around norm and convolution."""
    eps: float
    dual: bool


def nested_convolution(x: Tensor, weights: Weights, options: Options) -> Tensor:
    r"""Widens, convolves and narrows maps, without ever holding all of the wide ones but what must be kept.

    .. math::
        h &= \mathrm{GELU}(W_1 x) \\
        y &= W_2\,\mathrm{GELU}(h + \mathrm{DWConv}(\mathrm{LN}(h)))

    The same as layer by layer, but for rounding. A few images pass all layers before the next ones do, in buffers that
    are used again. For the backward pass two wide maps are kept in place of five; the activations and the norm are
    computed again. It cannot be differentiated twice.

    Args:
        x: The maps, in float32 on the CPU.
        weights: The parameters, of the same type.
        options: See :class:`Options`.

    Shapes: (N, H, W, C). Returns (N, H, W, C).
    """
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *weights)):
        return NestedConvolution.apply(x, options, *weights)
    return _forward(x.contiguous(), weights, options, None, None)


class NestedConvolution(torch.autograd.Function):
    """See :func:`nested_convolution`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, options: Options, *weights: Tensor) -> Tensor:
        """Computes the result, and keeps what takes longest to compute again."""
        x, weights = x.contiguous(), Weights(*weights)
        wide = x.numel() // x.shape[-1], len(weights.first)
        entered, mixed = x.new_empty(wide), x.new_empty(wide)
        ctx.options = options
        ctx.save_for_backward(x, entered, mixed, *weights)
        return _forward(x, weights, options, entered, mixed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Computes the gradients; those of the weights all together, or none."""
        x, entered, mixed, *weights = ctx.saved_tensors
        weights, grads = Weights(*weights), grad.flatten(0, 2)
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        sums = Weights(*map(torch.zeros_like, weights)) if any(ctx.needs_input_grad[2:]) else None
        buffers = _buffers(x, weights)
        for images, rows in _tiles(x):
            grad_entered = _backward(images, grads[rows], entered[rows], mixed[rows], weights, ctx.options, sums,
                                     [buffer[:len(mixed[rows])] for buffer in buffers])
            if grad_x is not None:
                torch.mm(grad_entered, weights.first, out=grad_x.flatten(0, 2)[rows])
        if sums is None:
            return grad_x, None, *[None] * len(weights)
        torch.sum(grads, 0, out=sums.last_bias)
        return grad_x, None, *sums


def _tiles(x: Tensor) -> Iterator[tuple[Tensor, slice]]:
    """Some images (n, H, W, C) at a time, and their rows in matrices of all positions."""
    positions = x.shape[1] * x.shape[2]
    images = -(-ROWS // positions)
    for start in range(0, len(x), images):
        tile = x[start:start + images]
        yield tile, slice(start * positions, (start + len(tile)) * positions)


def _buffers(x: Tensor, weights: Weights) -> list[Tensor]:
    """Two wide matrices for the rows of a tile."""
    rows = next(rows for _, rows in _tiles(x))
    return [x.new_empty(rows.stop, len(weights.first)) for _ in range(2)]


def _maps(matrix: Tensor, images: Tensor) -> Tensor:
    """A matrix (n·H·W, D) as maps (n, D, H, W), in memory as it is."""
    return matrix.view(*images.shape[:3], -1).permute(0, 3, 1, 2)


def _matrix(maps: Tensor) -> Tensor:
    """The reverse."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def _forward(x: Tensor, weights: Weights, options: Options, entered: Tensor | None, mixed: Tensor | None) -> Tensor:
    """The result; fills the wide matrices that are to be kept."""
    out = torch.empty_like(x)
    buffers = _buffers(x, weights)
    for images, rows in _tiles(x):
        hidden, spare = (buffer[:rows.stop - rows.start] for buffer in buffers)
        before = spare if entered is None else entered[rows]
        torch.addmm(weights.first_bias, images.flatten(0, 2), weights.first.t(), out=before)
        gelu(before, out=hidden)
        ready = _norm(hidden, weights, options)[0]
        convolved = _matrix(operators.convolve(_maps(ready, images), [weights.kernel], weights.kernel_bias)[0])
        after = convolved if mixed is None else mixed[rows]
        if options.dual:
            torch.add(convolved, hidden, out=after)
        else:
            after.copy_(convolved)
        torch.addmm(weights.last_bias, gelu(after, out=hidden), weights.last.t(), out=out.flatten(0, 2)[rows])
    return out


def _norm(hidden: Tensor, weights: Weights, options: Options) -> tuple[Tensor, Tensor, Tensor]:
    """The normalised matrix, and what the backward pass of the norm takes."""
    return torch.native_layer_norm(hidden, hidden.shape[1:], weights.norm, weights.norm_bias, options.eps)


def _backward(images: Tensor, grad: Tensor, entered: Tensor, mixed: Tensor, weights: Weights, options: Options,
              sums: Weights | None, buffers: list[Tensor]) -> Tensor:
    """The gradient (n·H·W, D) of what the first linear layer gives; those of the weights are added to the sums."""
    narrow = images.flatten(0, 2)
    grad_mixed, hidden = buffers
    if sums is not None:
        sums.last.addmm_(grad.t(), gelu(mixed, out=hidden))
    torch.mm(grad, weights.last, out=grad_mixed)
    gelu_gradient(grad_mixed, mixed, grad_input=grad_mixed)
    ready, *moments = _norm(gelu(entered, out=hidden), weights, options)
    grads = [_maps(grad_mixed, images)]
    if sums is not None:
        sums.kernel.add_(operators.weight_gradients(_maps(ready, images), grads, *zip(weights.kernel.shape[2:]))[0])
        sums.kernel_bias.add_(grad_mixed.sum(0))
    grad_ready = _matrix(operators.input_gradient(grads, [weights.kernel]))
    wanted = (True,) + (sums is not None,) * 2
    grad_hidden, *grad_norm = torch.ops.aten.native_layer_norm_backward(
        grad_ready, hidden, hidden.shape[1:], *moments, weights.norm, weights.norm_bias, wanted)
    if options.dual:
        grad_hidden.add_(grad_mixed)
    gelu_gradient(grad_hidden, entered, grad_input=grad_hidden)
    if sums is not None:
        for total, part in zip((sums.norm, sums.norm_bias, sums.first_bias), (*grad_norm, grad_hidden.sum(0))):
            total.add_(part)
        sums.first.addmm_(grad_hidden.t(), narrow)
    return grad_hidden
