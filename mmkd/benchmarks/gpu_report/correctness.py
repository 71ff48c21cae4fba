"""Every Triton kernel against float64: results, gradients, and the same bits twice."""
from collections.abc import Iterator

import torch
from torch import Tensor

from mmkd.benchmarks.large_kernel_speed import conv2d_branches
from mmkd.ops import large_kernel_depthwise_branches, use_implementation

from .settings import DTYPES, SHORT, SLAK_BASE, SLAK_TINY, Layer, Settings, in_processes, tried

COMPARED_CHANNELS = 3  # convolved in float64 too, each by itself
ROUNDING = 1.1  # times the error of the exact result, rounded to the type, is allowed, and
SUMS = 1e-5  # of the result's norm, for sums in float32
ODD = (((3, 5, 20, 70), 31), ((2, 5, 57, 33), 51), ((1, 5, 100, 168), 51), ((5, 4, 9, 64), 7), ((2, 3, 1, 5), 13))


def cases(settings: Settings) -> list[Layer]:
    """SLaK-T's and SLaK-B's stages at batches of 1 and 128, and odd maps."""
    models = (('SLaK-T', SLAK_TINY, (1, 128)), ('SLaK-B', SLAK_BASE, (1,) if settings.quick else (1, 128)))
    shapes = [(name, (batch, channels, side, side), size) for name, stages, batches in models
              for channels, side, size in stages for batch in batches]
    shapes += [('odd', maps, size) for maps, size in ODD]
    if settings.small:
        shapes = list(dict.fromkeys((name, (2, 2, *maps[2:]), size) for name, maps, size in shapes
                                    if max(maps[2:]) < 8))
    # the interpreter cannot multiply bf16
    dtypes = ['fp32', 'fp16'] if settings.device == 'cpu' else list(DTYPES)
    return [Layer(f'{name}, {size}×{SHORT}', maps, ((size, SHORT), (SHORT, size), (SHORT, SHORT)), dtype)
            for dtype in dtypes for name, maps, size in shapes]


def measure_part(settings: Settings) -> Iterator[dict]:
    """One row a case, ``right`` if all errors are within what rounding explains and both runs agree."""
    tasks = [(layer, settings.device) for layer in cases(settings)]
    if settings.device.startswith('cuda'):  # most of the time goes into compiling
        yield from in_processes(_checked, tasks, 300)
    else:
        yield from map(_checked, tasks)


def _checked(task: tuple[Layer, str]) -> dict:
    return next(tried(task[0].name, compare, *task))


def compare(layer: Layer, device: str) -> dict:
    """Runs a layer forward and backward twice, and some of its channels in float64.

    Returns:
        ``worst``: the largest relative error of results and gradients; ``allowed``: that of the same tensor;
        ``same_bits``; ``right``.
    """
    tensors = layer.tensors(device)
    with use_implementation('fused'):
        first, second = (_outcome(large_kernel_depthwise_branches, *tensors) for _ in range(2))
    maps, weights, grads = tensors
    kept = slice(0, COMPARED_CHANNELS)
    exact = _outcome(conv2d_branches, maps[:, kept].detach().double().requires_grad_(),
                     [weight[kept].detach().double().requires_grad_() for weight in weights],
                     [grad[:, kept].double() for grad in grads])
    found = [one[:, kept] if one.shape == maps.shape else one[kept] for one in first]
    pairs = [(_error(one, other), ROUNDING * _error(other.to(one.dtype), other) + SUMS)
             for one, other in zip(found, exact, strict=True)]
    worst, allowed = max(pairs, key=lambda pair: pair[0] / pair[1])
    same = all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    return dict(case=layer.name, maps='×'.join(map(str, layer.maps)), dtype=layer.dtype, worst=worst, allowed=allowed,
                same_bits=same, right=same and worst <= allowed)


def _outcome(function: object, maps: Tensor, weights: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
    outs = function(maps, weights)
    return [*(out.detach() for out in outs), *torch.autograd.grad(outs, [maps, *weights], grads)]


def _error(found: Tensor, exact: Tensor) -> float:
    difference = (found.double() - exact).norm() / exact.norm().clamp_min(1e-300)
    return difference.item() if difference.isfinite() else float('inf')
