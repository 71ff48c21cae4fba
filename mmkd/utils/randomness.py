"""Drawing random numbers without a trace."""
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def unchanged_generators() -> Iterator[None]:
    """Puts the global generators of Python, NumPy and PyTorch back as they were: the CPU's, and this process's GPU's.

    The other GPUs are other processes' or nobody's: to keep their states would start each of them.
    """
    states = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def generator_of(*numbers: int) -> torch.Generator:
    """A generator on the CPU whose draws follow from some whole numbers, which are not negative, and their order."""
    # Without the key, zeros at the end would not count.
    words = np.random.SeedSequence(numbers, spawn_key=(len(numbers),)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0]) % 2**63)
