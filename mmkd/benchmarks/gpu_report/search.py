"""The best cut of each layer's work into programs of the Triton kernels."""
from collections.abc import Callable, Iterator
from itertools import product

import torch

from mmkd.ops.depthwise.blocks import KINDS, LARGEST, SMALLEST, Blocks, Key, capability, key_of, rule, use_blocks

from .settings import Layer, Settings, in_processes, layers, milliseconds, tried

COMPILING_SECONDS = 50


def measure_part(settings: Settings) -> Iterator[dict]:
    """One row a layer and kind: the best cut, and the line for ``mmkd.ops.depthwise.blocks.TUNED``."""
    dtypes = ('fp32',) if settings.small else ('bf16',) if settings.quick else ('bf16', 'fp32')
    work = [(layer, kind) for layer in layers(settings, (64,), dtypes) for kind in KINDS]
    work = [(layer, kind, candidates(layer, kind)[:2 if settings.small else None]) for layer, kind in work]
    if settings.device.startswith('cuda'):
        compile_all([(layer, kind, blocks) for layer, kind, several in work for blocks in several], settings.device)
    for layer, kind, several in work:
        yield from tried(f'{layer.name}, {kind}', best, layer, kind, several, settings.device)


def candidates(layer: Layer, kind: str) -> list[Blocks]:
    """The rule's cut, then those around it."""
    _, _, side, long, size = key = _key(layer, kind, (0, 0))
    first = rule(*key[1:])
    largest = max(side, SMALLEST)
    sides = [largest] if long else [block for block in (SMALLEST, 32, LARGEST) if block <= largest]
    half, weights = size == 2, kind == 'weight_gradient'
    found = [Blocks(block, rows // block, warps, stages, tap, precision)
             for block, rows, warps, stages, tap, precision in product(
                 sides, (64, 128, 256) if half and not weights else (64, 128), (4, 8), (2, 3) if half else (2,),
                 (1, 2, 4, 8) if weights else (1,), ('ieee',) if half else ('ieee', 'tf32x3'))
             if tap * block <= 128]
    return [first, *(blocks for blocks in found if blocks != first)]


def _key(layer: Layer, kind: str, capability: tuple[int, int]) -> Key:
    return key_of(capability, kind, layer.maps, max(map(max, layer.kernels)), 4 if layer.dtype == 'fp32' else 2)


def caller(layer: Layer, kind: str, device: str) -> Callable[[], object]:
    """A closure that runs one kind of kernel on a layer."""
    from mmkd.ops.depthwise import fused
    maps, weights, grads = layer.tensors(device, False)
    if kind == 'convolve':
        return lambda: fused.convolve(maps, weights)
    if kind == 'input_gradient':
        return lambda: fused.input_gradient(grads, weights)
    return lambda: fused.weight_gradients(maps, grads, layer.kernels)


def compile_all(work: list[tuple[Layer, str, Blocks]], device: str) -> None:
    """Compiles for Triton's cache, on all cores."""
    for _ in in_processes(_compile, [(*one, device) for one in work], COMPILING_SECONDS):
        pass


def _compile(task: tuple[Layer, str, Blocks, str]) -> dict:
    return next(tried('', _ran, *task))


def _ran(layer: Layer, kind: str, blocks: Blocks, device: str) -> dict:
    with use_blocks(**{kind: blocks}):
        caller(layer, kind, device)()
    return {}


def _timed(run: Callable[[], object], device: str) -> dict:
    return dict(ms=milliseconds(run, device, 0.02))


def best(layer: Layer, kind: str, several: list[Blocks], device: str) -> dict:
    """Times the candidates and names the fastest."""
    run, times, failed = caller(layer, kind, device), {}, 0
    for blocks in several:
        with use_blocks(**{kind: blocks}):
            for row in tried('', _timed, run, device):
                if 'ms' in row:
                    times[blocks] = row['ms']
                failed += 'error' in row
    fastest = min(times, key=times.get)
    key = _key(layer, kind, capability(torch.device(device)))
    values = ', '.join(map(repr, fastest))
    return {'case': layer.name, 'kind': kind, 'dtype': layer.dtype, 'best (ms)': times[fastest],
            'rule (ms)': times.get(several[0]), 'tried': len(times), 'failed': failed,
            'line': f'{key!r}: Blocks({values}),'}
