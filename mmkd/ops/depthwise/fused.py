"""Depthwise convolution by Triton kernels for GPUs: one pass over the input for all kernels.

A program computes a square block of one channel, of a few images. As in :mod:`.matrix` the kernel's longer side is a
Toeplitz matrix, written once for all images, and along its shorter side there is a product for each tap; the block of
sums never leaves the chip. Small maps are put below or beside each other, so that the tensor cores have rows enough.
Sums are in float32 and rounded once; nothing depends on the order of programs, so results are the same in each run.
"""
import subprocess
from collections.abc import Sequence

import torch
from torch import Tensor
from triton.compiler.errors import CompilationError
from triton.runtime.errors import OutOfResources

from .kernels import convolve_kernel, diagonals_kernel, input_gradient_kernel, toeplitz_kernel, weight_gradient_kernel
from .plan import MAX_BRANCHES, Plan, plan_for

# What Triton, the assembler it calls and the driver raise where a kernel cannot be compiled or started.
FAILURES = (CompilationError, OutOfResources, RuntimeError, OSError, subprocess.SubprocessError)


def convolve(input: Tensor, weights: Sequence[Tensor], bias: Tensor | None = None) -> list[Tensor]:
    """See :func:`mmkd.ops.depthwise.plain.convolve`."""
    input = input.contiguous()
    results: list[Tensor] = []
    for first in range(0, len(weights), MAX_BRANCHES):
        some = weights[first:first + MAX_BRANCHES]
        outs = [torch.empty_like(input) for _ in some]
        plan = plan_for('convolve', input, some)
        with torch.cuda.device_of(input):
            convolve_kernel[plan.grid](
                input, *_three(_banks(some, plan, turned=False)), bias if bias is not None else input, *_three(outs),
                *plan.sizes, HAS_BIAS=bias is not None, **plan.constants)
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
        plan = plan_for('input_gradient', out, some)
        with torch.cuda.device_of(out):
            input_gradient_kernel[plan.grid](*_three(these), *_three(_banks(some, plan, turned=True)), out,
                                             *plan.sizes, **plan.constants)
        total = out if total is None else total.add_(out)
    return total


def weight_gradients(input: Tensor, grads: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """See :func:`mmkd.ops.depthwise.plain.weight_gradients`."""
    input = input.contiguous()
    results: list[Tensor] = []
    for first in range(0, len(sizes), MAX_BRANCHES):
        outs = [input.new_empty(input.shape[1], 1, *size) for size in sizes[first:first + MAX_BRANCHES]]
        these = [grad.contiguous() for grad in grads[first:first + MAX_BRANCHES]]
        plan = plan_for('weight_gradient', input, outs)
        partial = [torch.empty(count, dtype=torch.float32, device=input.device) for count in plan.counts]
        with torch.cuda.device_of(input):
            weight_gradient_kernel[plan.grid](input, *_three(these), *_three(partial), *plan.sizes, **plan.constants)
            diagonals_kernel[plan.other_grid](*_three(partial), *_three(outs), input.shape[1], plan.sizes[-1],
                                              **plan.other_constants)
        results += outs
    return results


def _banks(weights: Sequence[Tensor], plan: Plan, turned: bool) -> list[Tensor]:
    """The Toeplitz matrices (C, taps · steps, block, block) of each kernel, or of the kernel turned around."""
    banks = [weight.new_empty(count) for weight, count in zip(weights, plan.counts)]
    toeplitz_kernel[plan.other_grid](*_three([weight.contiguous() for weight in weights]), *_three(banks),
                                     TURNED=turned, **plan.other_constants)
    return banks


def _three(tensors: list[Tensor]) -> list[Tensor]:
    return [*tensors, *[tensors[0]] * (MAX_BRANCHES - len(tensors))]
