"""The random numbers of terms."""
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def draws_of_their_own() -> Iterator[None]:
    """Draws inside a block from a stream beside that of the seed, which goes on afterwards as if nothing was drawn.

    A student thus begins with the same weights under every method and alone, and gains can be paired by seed. It holds
    for the CPU, where models are built; on another device terms are initialised after the student.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed((torch.initial_seed() + 1) % 2 ** 63)
        yield
