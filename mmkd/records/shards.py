"""A shard: the records of one epoch, or of a part of it, in one file that is addressed by the index of the sample.

The file begins with a head of fixed size, in JSON, which says of which cache, epoch and samples it is.
"""
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmkd.utils import UserError

from .formats import HEAD
from .header import Header

MAGIC = 'mmkd teacher records'
IDENTITY = 256  # bytes of the head that say which shard it is; the others hold counts
UNFINISHED = '.part'
_NAME = re.compile(r'epoch_(\d+)(?:\.(\d+)-(\d+))?\.records')


@dataclass(frozen=True)
class Shard:
    """Which records a file holds.

    Args:
        epoch: The epoch.
        start: The first sample.
        stop: One after the last.
    """

    epoch: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def path(self, folder: Path, samples: int) -> Path:
        """The file in the folder of a cache of so many samples."""
        whole = (self.start, self.stop) == (0, samples)
        return folder / f'epoch_{self.epoch:05}{"" if whole else f".{self.start}-{self.stop}"}.records'

    def head(self, header: Header) -> bytes:
        """The first bytes of the file, :data:`IDENTITY` of them."""
        text = json.dumps(dict(magic=MAGIC, cache=header.fingerprint, epoch=self.epoch, start=self.start,
                               stop=self.stop, bytes=header.format.size))
        return text.encode().ljust(IDENTITY - 1) + b'\n'

    def size(self, header: Header) -> int:
        """The bytes of the file."""
        return HEAD + len(self) * header.format.size

    def check(self, path: Path, header: Header) -> None:
        """Checks that a file is this shard of this cache, and whole.

        Raises:
            UserError: It is not.
        """
        try:
            with open(path, 'rb') as file:
                head = file.read(IDENTITY)
            size = path.stat().st_size
        except OSError as error:
            raise UserError(f'{path} expects records, and cannot be read ({error.strerror}). Check the disk.') \
                from error
        if head != self.head(header):
            raise UserError(f'{path} expects epoch {self.epoch} of the cache that it lies in, got '
                            f'{_told(head)}. Delete it, and build it again with the same command.')
        if size != self.size(header):
            raise UserError(f'{path} expects {self.size(header):,} bytes, got {size:,}: it is cut off or damaged. '
                            'Delete it, and build it again with the same command.')

    def counts(self, path: Path) -> tuple[int, int]:
        """Of a finished file: how many records have a label, and of how many it is the teacher's first class."""
        try:
            with open(path, 'rb') as file:
                content = json.loads(file.read(HEAD)[IDENTITY:])
            return int(content['labelled']), int(content['correct'])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0


def counted(labelled: int, correct: int) -> bytes:
    """The second part of a head."""
    text = json.dumps(dict(labelled=labelled, correct=correct))
    return text.encode().ljust(HEAD - IDENTITY - 1) + b'\n'


def _told(head: bytes) -> str:
    try:
        content = json.loads(head)
        return f'epoch {int(content["epoch"])} of the cache {str(content["cache"])[:12]} …'
    except (ValueError, KeyError, TypeError):
        return 'something else'


def shards_in(folder: Path, samples: int, unfinished: bool = False) -> list[Shard]:
    """The shards that lie in a folder, by their names.

    Args:
        folder: The folder of a cache.
        samples: Its samples.
        unfinished: Those that were begun, instead of those that are whole.
    """
    found = []
    for path in folder.glob(f'epoch_*.records{UNFINISHED if unfinished else ""}'):
        match = _NAME.fullmatch(path.name.removesuffix(UNFINISHED))
        if match:
            epoch, start, stop = match.groups()
            shard = Shard(int(epoch), int(start or 0), samples if stop is None else int(stop))
            if 0 <= shard.start < shard.stop <= samples:
                found.append(shard)
    return sorted(found, key=lambda shard: (shard.epoch, shard.start, shard.stop))


def seal(row: bytes, epoch: int, index: int) -> int:
    """The ``crc`` of a record: 16 bits over its bytes after the crc, its epoch and its index; never 0.

    Args:
        row: The bytes of the record.
        epoch: Its epoch.
        index: Its sample.
    """
    crc = zlib.crc32(memoryview(row)[2:], zlib.crc32(b'%d %d' % (epoch, index)))
    return (crc ^ crc >> 16) & 0xffff or 1


def is_there(row: bytes, epoch: int, index: int) -> bool | None:
    """Whether a record is there (True), was never written (False), or is damaged (None)."""
    crc = int.from_bytes(row[:2], 'little')
    if crc == seal(row, epoch, index):
        return True
    return None if any(row) else False


def valid_rows(content: np.ndarray, shard: Shard, size: int) -> np.ndarray:
    """Which records of a shard are whole.

    Args:
        content: The bytes after the head.
        shard: Which shard it is.
        size: Bytes of a record.
    """
    flat = memoryview(content)
    found = (is_there(flat[place * size:(place + 1) * size], shard.epoch, shard.start + place) is True
             for place in range(len(shard)))
    return np.fromiter(found, bool, len(shard))
