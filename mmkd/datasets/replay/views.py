"""One image in one epoch: its index, its seeds and the checksum of what came of it."""
import hashlib
import random
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

SCHEME = 1  # of what follows from a seed; a change of it is a new one, by which caches are told apart
DRAWS, PAIRS = 0, 1  # what is drawn: a view, or the partners of an epoch


class ViewIndex(int):
    """The index of an image that knows the epoch in which it is seen; it goes to the workers of a loader as it is.

    Args:
        index: The index in the data set.
        epoch: The epoch, from 0.
    """
    epoch: int

    def __new__(cls, index: int, epoch: int) -> 'ViewIndex':
        """An int is made here, not in ``__init__``."""
        self = super().__new__(cls, index)
        self.epoch = epoch
        return self

    def __reduce__(self) -> tuple:
        return ViewIndex, (int(self), self.epoch)


@contextmanager
def kept_generators() -> Iterator[None]:
    """Puts the global generators of Python, NumPy and PyTorch's CPU back as they were.

    No GPU is asked: a worker of a loader must not start one.
    """
    states = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.default_generator.set_state(states[2])


def words_of(seed: int, epoch: int, index: int) -> list[int]:
    """Five numbers of 32 bits that are a view's own: three seeds, one for its mixing, and one that chooses checksums.

    A hash makes them, which any machine and version computes alike, in a fifth of the time of ``SeedSequence``.

    Args:
        seed: The seed of all views.
        epoch: The epoch.
        index: The index of the image.
    """
    digest = hashlib.blake2b(f'{seed} {epoch} {index}'.encode(), digest_size=20).digest()
    return list(struct.unpack('<5I', digest))


def seed_generators(words: list[int]) -> None:
    """Seeds the global generators of NumPy, Python and PyTorch's CPU with the first three words of a view."""
    np.random.seed(words[0])
    random.seed(words[1])
    torch.default_generator.manual_seed(words[2])


def checksum(pixels: Tensor | list[Tensor]) -> int:
    """The CRC-32 of a view's pixels, of their type and of their shape; of several pictures, of all in turn."""
    code = 0
    for tensor in pixels if isinstance(pixels, list | tuple) else [pixels]:
        code = zlib.crc32(f'{tensor.dtype}{tuple(tensor.shape)}'.encode(), code)
        flat = tensor.detach().contiguous().reshape(-1)
        code = zlib.crc32(flat.view(torch.uint8).numpy(), code)
    return code
