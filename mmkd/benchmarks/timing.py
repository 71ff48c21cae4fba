"""Time and memory of a call."""
import time
from collections.abc import Callable, Iterable, Mapping

import torch
from torch.autograd.profiler import profile


def seconds(run: Callable[[], object], device: str, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call, the device's queue included: by the wall clock, or the one given."""
    start = clock()
    run()
    if device.startswith('cuda'):
        torch.cuda.synchronize()
    return clock() - start


def seconds_in_turn(runs: Mapping[str, Callable[[], object]], device: str, rounds: Iterable[int],
                    both_orders: bool = False) -> dict[str, list[float]]:
    """Times runs in turn, round after round.

    Args:
        runs: What is timed, by name.
        device: Where they run.
        rounds: Numbers of the rounds, from 0 on, in a progress bar if wanted; the first three warm up.
        both_orders: Whether every other round goes backwards.

    Returns:
        Name to the seconds of each round after the third.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in rounds:
        for name, run in list(runs.items())[::-1 if both_orders and round_ % 2 else 1]:
            elapsed = seconds(run, device)
            if round_ >= 3:
                times[name].append(elapsed)
    return times


def peak_bytes(run: Callable[[], object], device: str) -> int:
    """The most memory that PyTorch's allocator holds during one call, above what it held before."""
    if device.startswith('cuda'):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(profile_memory=True) as profiler:
        run()
    held = peak = 0
    events = [event for event in profiler.kineto_results.events() if event.name() == '[memory]']
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
