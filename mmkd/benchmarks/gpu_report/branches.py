"""A stage's kernels together, ours beside ``conv2d`` in both layouts, and the time that moving the data alone takes."""
from collections.abc import Callable, Iterator
from functools import partial

import torch

from mmkd.benchmarks.large_kernel_speed import PLAIN, conv2d_branches
from mmkd.ops import large_kernel_depthwise_branches
from mmkd.ops.depthwise.choice import CONVOLVE, WEIGHT_GRADIENTS, choose

from .settings import Layer, Settings, layers, milliseconds, tried


def measure_part(settings: Settings) -> Iterator[dict]:
    """One row a layer and pass, after one with the memory's bandwidth."""
    bandwidth = copy_bandwidth(settings.device, 2**20 if settings.small else 2**31)
    yield dict(case='copying 2 GiB', gigabytes_a_second=bandwidth)
    batches, dtypes = ((64,), ('bf16',)) if settings.quick else ((64, 128), ('bf16', 'fp32'))
    for layer in layers(settings, batches, ('fp32',) if settings.small else dtypes):
        for training in (False, True):
            yield from tried(layer.name, compare, layer, training, settings.device, bandwidth)


def copy_bandwidth(device: str, size: int) -> float:
    """Bytes read and written a second, in 10⁹, of a copy of so many bytes."""
    source = torch.zeros(size, dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    return 2 * size / milliseconds(lambda: target.copy_(source), device) / 1e6


def compare(layer: Layer, training: bool, device: str, bandwidth: float) -> dict:
    """Times one layer.

    Args:
        layer: What is convolved.
        training: Whether the backward pass is timed too.
        device: Where.
        bandwidth: What :func:`copy_bandwidth` found.

    Returns:
        Milliseconds; ``floor``: of reading each tensor that a pass needs once and writing each result once.
    """
    maps, weights, grads = layer.tensors(device, training)
    times = dict(mmkd=milliseconds(_run(large_kernel_depthwise_branches, maps, weights, grads, training), device))
    for name, layout in PLAIN.items():
        laid = maps.detach().contiguous(memory_format=layout).requires_grad_(training)
        laid_grads = [grad.contiguous(memory_format=layout) for grad in grads]
        times[name] = milliseconds(_run(conv2d_branches, laid, weights, laid_grads, training), device)
    results = len(weights)
    passes = (1 + results) + training * (1 + 2 * results + 1)  # then grads twice, input again, its gradient
    floor = passes * maps.numel() * maps.element_size() / bandwidth / 1e6
    best = min(times[name] for name in PLAIN)
    tables = (CONVOLVE, WEIGHT_GRADIENTS) if training else (CONVOLVE,)
    ran = {choose(table, maps, [w.shape for w in weights]).module.__name__.rpartition('.')[2] for table in tables}
    return dict(case=layer.name, batch=layer.maps[0], dtype=layer.dtype,
                **{'pass': 'forward + backward' if training else 'forward'}, ran=' and '.join(sorted(ran)),
                **{f'{name} (ms)': value for name, value in times.items()}, **{'conv2d / mmkd': best / times['mmkd']},
                floor=floor, **{'mmkd / floor': times['mmkd'] / floor})


def _run(function: Callable, maps: torch.Tensor, weights: list, grads: list, training: bool) -> Callable[[], object]:
    if training:
        return lambda: torch.autograd.grad(function(maps, weights), [maps, *weights], grads)
    return torch.inference_mode()(partial(function, maps, weights))
