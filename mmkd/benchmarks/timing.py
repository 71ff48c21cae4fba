"""Timing a call."""
import time
from collections.abc import Callable, Iterable, Mapping

import torch


def seconds(run: Callable[[], object], device: str) -> float:
    """Wall-clock seconds of one call, the device's queue included."""
    start = time.perf_counter()
    run()
    if device.startswith('cuda'):
        torch.cuda.synchronize()
    return time.perf_counter() - start


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
