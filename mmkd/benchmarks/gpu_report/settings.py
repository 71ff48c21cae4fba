"""What every part of the report gets, and what they share: cases, tensors, timing."""
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.context import TimeoutError
from typing import Any, NamedTuple

import torch
from torch import Tensor

DTYPES = dict(bf16=torch.bfloat16, fp32=torch.float32, fp16=torch.float16)
SLAK_TINY = ((124, 56, 51), (249, 28, 49), (499, 14, 47), (998, 7, 13))  # channels, side, long side of kernels
SLAK_BASE = ((166, 56, 51), (332, 28, 49), (665, 14, 47), (1331, 7, 13))
CONVNEST_TINY = ((576, 56, 7), (1152, 28, 7), (2304, 14, 7), (4608, 7, 7))
SHORT = 5


class Settings(NamedTuple):
    """How to measure.

    Args:
        device: ``cuda``, or ``cpu`` to try the report itself.
        quick: Whether to leave out all but the most telling cases.
        small: Whether to shrink models and maps until a CPU can run them.
    """
    device: str = 'cuda'
    quick: bool = False
    small: bool = False


class Layer(NamedTuple):
    """Maps, and the kernels that convolve them."""
    name: str
    maps: tuple[int, int, int, int]
    kernels: tuple[tuple[int, int], ...]
    dtype: str

    def tensors(self, device: str, gradients: bool = True) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Input, kernels and the results' gradients, random; input and kernels are leaves if ``gradients``."""
        generator = torch.Generator(device).manual_seed(0)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, device=device).to(DTYPES[self.dtype])

        maps = draw(*self.maps)
        weights = [draw(self.maps[1], 1, *size) / (size[0] * size[1]) ** 0.5 for size in self.kernels]
        grads = [draw(*self.maps) for _ in weights]
        for leaf in (maps, *weights) if gradients else ():
            leaf.requires_grad_()
        return maps, weights, grads


def layers(settings: Settings, batches: tuple[int, ...], dtypes: tuple[str, ...], convnest: bool = True) -> list[Layer]:
    """The depthwise layers of SLaK-T, three branches each, and of ConvNeSt-T, stage by stage."""
    shapes = [('SLaK-T', index, channels, side, ((size, SHORT), (SHORT, size), (SHORT, SHORT)))
              for index, (channels, side, size) in enumerate(SLAK_TINY)]
    shapes += [('ConvNeSt-T', index, channels, side, ((size, size),))
               for index, (channels, side, size) in enumerate(CONVNEST_TINY) if convnest]
    if settings.small:
        shapes = [(name, index, 2, side, kernels) for name, index, _, side, kernels in shapes if side == 7]
        batches = (2,)
    return [Layer(f'{name} stage {index + 1}', (batch, channels, side, side), kernels, dtype)
            for dtype in dtypes for name, index, channels, side, kernels in shapes for batch in batches]


def milliseconds(run: Callable[[], object], device: str, budget: float = 0.1) -> float:
    """The median time of a call: on a GPU by its own clock, with what the cache held before written over.

    Args:
        run: What is timed, after it ran twice.
        device: Where it runs.
        budget: Seconds to spend, about; three calls are made at least, but for one if it takes longer.
    """
    run()
    estimate = _timed(run, device, None)
    if estimate > 1000 * budget:
        return estimate
    cold = torch.empty(2**28, dtype=torch.int8, device=device) if device.startswith('cuda') else None
    calls = min(50, max(3, round(1000 * budget / max(estimate, 0.001))))
    return statistics.median(_timed(run, device, cold) for _ in range(calls))


def _timed(run: Callable[[], object], device: str, cold: Tensor | None) -> float:
    if not device.startswith('cuda'):
        start = time.perf_counter()
        run()
        return 1000 * (time.perf_counter() - start)
    if cold is not None:
        cold.zero_()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def peak_gigabytes(run: Callable[[], object], device: str) -> float | None:
    """The most memory that tensors take on the GPU during a call, all that stood before counted; None on a CPU."""
    if not device.startswith('cuda'):
        return None
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() / 2**30


def tried(name: str, measure: Callable[..., dict], *args: Any) -> Iterator[dict]:
    """The row that ``measure`` makes of its arguments, or one that says what went wrong: a failure costs one row."""
    try:
        yield measure(*args)
    except Exception as error:  # a report says what it met, whatever that is; nothing goes on from it
        yield dict(case=name, error=f'{type(error).__name__}: {" ".join(str(error).split())[:300]}')
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def in_processes(run: Callable[[Any], dict], tasks: Sequence, limit: float) -> Iterator[dict]:
    """Runs tasks on all cores, in processes of their own, and yields what they return as it comes.

    Args:
        run: A function of a module.
        tasks: What it is called with.
        limit: Seconds after which what is not done is left.
    """
    end = time.monotonic() + limit
    with get_context('spawn').Pool(max(1, min(14, (os.cpu_count() or 3) - 2))) as pool:
        results = pool.imap_unordered(run, tasks, chunksize=1)
        for _ in tasks:
            try:
                yield results.next(timeout=max(0., end - time.monotonic()))
            except TimeoutError:
                return
