"""The best cut of each layer's work into programs of the Triton kernels."""
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from itertools import product
from multiprocessing import get_context

import torch

from mmkd.ops.depthwise.blocks import KINDS, LARGEST, SHORT, SMALLEST, Blocks, covering, rule, use_blocks

from .settings import Layer, Settings, layers, milliseconds, tried

COMPILING_SECONDS = 100
WORKERS = 14


def rows(settings: Settings) -> Iterator[dict]:
    """One row a layer and kind: the best cut, and the line for ``mmkd.ops.depthwise.blocks.TUNED``."""
    dtypes = ('fp32',) if settings.small else ('bf16',) if settings.quick else ('bf16', 'fp32')
    work = [(layer, kind) for layer in layers(settings, (64,), dtypes) for kind in KINDS]
    work = [(layer, kind, candidates(layer, kind)[:2 if settings.small else None]) for layer, kind in work]
    if settings.device.startswith('cuda'):
        compile_all([(layer, kind, blocks) for layer, kind, several in work for blocks in several], settings.device)
    for layer, kind, several in work:
        yield from tried(f'{layer.name}, {kind}', lambda: best(layer, kind, several, settings.device))


def candidates(layer: Layer, kind: str) -> list[Blocks]:
    """The rule's cut, then those around it."""
    side, long = covering(max(layer.maps[2:])), max(map(max, layer.kernels)) > SHORT
    size = 4 if layer.dtype == 'fp32' else 2
    first = rule(kind, side, long, size)
    sides = [side] if long else [block for block in (SMALLEST, 32, LARGEST) if block <= side]
    half, weights = size == 2, kind == 'weight_gradient'
    found = [Blocks(block, rows // block, warps, stages, tap, precision)
             for block, rows, warps, stages, tap, precision in product(
                 sides, (64, 128, 256) if half and not weights else (64, 128), (4, 8), (2, 3) if half else (2,),
                 (1, 2, 4, 8) if weights else (1,), ('ieee',) if half else ('ieee', 'tf32x3'))
             if tap * block <= 128]
    return [first, *(blocks for blocks in found if blocks != first)]


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
    """Lets other processes compile for Triton's cache, as many at a time as there are cores."""
    workers = max(1, min(WORKERS, (os.cpu_count() or 2) - 2))
    pool = ProcessPoolExecutor(workers, mp_context=get_context('spawn'))
    wait([pool.submit(_compile, work[first::workers], device) for first in range(workers)], COMPILING_SECONDS)
    for process in list(pool._processes.values()):
        process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)


def _compile(work: list[tuple[Layer, str, Blocks]], device: str) -> None:
    for layer, kind, blocks in work:
        list(tried('', lambda: _ran(layer, kind, blocks, device)))


def _ran(layer: Layer, kind: str, blocks: Blocks, device: str) -> dict:
    with use_blocks(**{kind: blocks}):
        caller(layer, kind, device)()
    return {}


def best(layer: Layer, kind: str, several: list[Blocks], device: str) -> dict:
    """Times the candidates and names the fastest."""
    run, times, failed = caller(layer, kind, device), {}, 0
    for blocks in several:
        with use_blocks(**{kind: blocks}):
            for row in tried('', lambda: dict(ms=milliseconds(run, device, 0.02))):
                if 'ms' in row:
                    times[blocks] = row['ms']
                failed += 'error' in row
    fastest = min(times, key=times.get)
    capability = torch.cuda.get_device_capability() if device.startswith('cuda') else (0, 0)
    size = 4 if layer.dtype == 'fp32' else 2
    key = (capability, kind, covering(max(layer.maps[2:])), max(map(max, layer.kernels)) > SHORT, size)
    values = ', '.join(map(repr, fastest))
    return {'case': layer.name, 'kind': kind, 'dtype': layer.dtype, 'best (ms)': times[fastest],
            'rule (ms)': times.get(several[0]), 'tried': len(times), 'failed': failed,
            'line': f'{key!r}: Blocks({values}),'}
