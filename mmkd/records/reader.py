"""Reading the records of a cache by epoch and sample."""
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mmkd.utils import UserError

from .formats import HEAD
from .header import Header
from .shards import Shard, is_there, shards_in

OPEN = 3  # epochs whose files stay open: the one that is read, and the next that workers prefetch


class Reader:
    """The records of a cache. It is picklable, and each process opens the files by itself.

    Args:
        path: The folder.

    Raises:
        UserError: It is no cache.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self.header = Header.read(self.path)
        self._forget()

    def _forget(self) -> None:
        self._there: dict[int, list[Shard]] | None = None
        self._open: OrderedDict[int, list[tuple[Shard, memoryview]]] = OrderedDict()

    def __getstate__(self) -> dict:
        return dict(path=self.path, header=self.header)

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._forget()

    def __deepcopy__(self, memo: dict) -> 'Reader':
        return self

    def row(self, epoch: int, index: int) -> np.ndarray:
        """A record as raw bytes, of which :func:`decode` takes a list.

        Raises:
            UserError: The epoch or the record is not there, or is damaged.
        """
        return np.frombuffer(self._bytes(int(epoch), int(index)), np.uint8)

    def rows(self, epoch: int, indices: Iterable[int]) -> np.ndarray:
        """Several records of an epoch as a structured array (N,); errors as of :meth:`row`."""
        raw = b''.join(self._bytes(int(epoch), int(index)) for index in indices)
        return np.frombuffer(raw, self.header.format.record)

    def shards(self) -> dict[int, list[Shard]]:
        """Epoch to its finished shards, in their order."""
        if self._there is None:
            found: dict[int, list[Shard]] = {}
            for shard in shards_in(self.path, self.header.samples):
                found.setdefault(shard.epoch, []).append(shard)
            self._there = found
        return self._there

    def epochs_there(self) -> list[int]:
        """The epochs of which all records are there."""
        return [epoch for epoch, shards in self.shards().items() if _covers(shards, self.header.samples)]

    @property
    def complete_epochs(self) -> int:
        """How many epochs, from the first on, are there."""
        there = set(self.epochs_there())
        return next(epoch for epoch in range(len(there) + 1) if epoch not in there)

    def _bytes(self, epoch: int, index: int) -> bytes:
        size = self.header.format.size
        for shard, content in self._opened(epoch):
            if shard.start <= index < shard.stop:
                place = (index - shard.start) * size
                row = bytes(content[place:place + size])
                if is_there(row, epoch, index) is True:
                    return row
                raise UserError(f'{shard.path(self.path, self.header.samples)} expects a record of sample {index}, and '
                                'it is damaged. Delete the file, and build it again with the same command.')
        raise UserError(f'the teacher cache {self.path} expects an index below {self.header.samples:,} and an epoch '
                        f'that is whole, got sample {index} of epoch {epoch}, whose shard is not there. Build it '
                        'again with the same command.')

    def _opened(self, epoch: int) -> list[tuple[Shard, memoryview]]:
        if epoch not in self._open:
            shards = self.shards().get(epoch)
            if not shards:
                there = self.epochs_there()
                raise UserError(f'the teacher cache {self.path} has no epoch {epoch}; there are {_ranges(there)}. '
                                f'Build it with mmkd cache build … --epochs {epoch + 1}, or train for fewer epochs.')
            self._open[epoch] = [(shard, self._map(shard)) for shard in shards]
            while len(self._open) > OPEN:
                self._open.popitem(last=False)
        return self._open[epoch]

    def _map(self, shard: Shard) -> memoryview:
        path = shard.path(self.path, self.header.samples)
        shard.check(path, self.header)
        return memoryview(np.memmap(path, np.uint8, 'r', HEAD, (shard.size(self.header) - HEAD, )))


def _covers(shards: list[Shard], samples: int) -> bool:
    end = 0
    for shard in shards:
        if shard.start > end:
            return False
        end = max(end, shard.stop)
    return end == samples


def _ranges(numbers: list[int]) -> str:
    """``0 to 29``, or the numbers themselves where they have gaps."""
    if not numbers:
        return 'none'
    if len(numbers) == numbers[-1] - numbers[0] + 1:
        return f'{numbers[0]} to {numbers[-1]}' if len(numbers) > 1 else f'{numbers[0]} only'
    return ', '.join(map(str, numbers[:20])) + (' …' if len(numbers) > 20 else '')
