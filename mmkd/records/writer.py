"""Writing a shard so that it can be killed at any moment and taken up again."""
import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import numpy as np

from mmkd.utils import UserError

from .coding import top1
from .formats import HEAD
from .header import Header
from .shards import IDENTITY, UNFINISHED, Shard, counted, seal, valid_rows

FLUSH_SECONDS = 30.


class Writer:
    """Writes one shard under the name of an unfinished one, and renames it when it is whole.

    What a killed one has left is taken up: records whose ``crc`` fits are there, all others are not. The disk's space
    is taken at once, so that a full disk ends the building before its work.

    Args:
        folder: The folder of the cache; it has its header already.
        header: The header.
        shard: Which records to write.

    Raises:
        UserError: The file cannot be written.
    """

    def __init__(self, folder: Path, header: Header, shard: Shard) -> None:
        self.shard, self._format = shard, header.format
        self.path = shard.path(Path(folder), header.samples)
        self._unfinished = self.path.with_name(self.path.name + UNFINISHED)
        self.there = np.zeros(len(shard), bool)  # which records are written
        self._flushed = time.monotonic()
        try:
            self._file = os.open(self._unfinished, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise self._failed(error) from error
        try:
            self._begin(header)
        except OSError as error:
            os.close(self._file)
            raise self._failed(error) from error

    def _begin(self, header: Header) -> None:
        head, size = self.shard.head(header), self.shard.size(header)
        if os.pread(self._file, IDENTITY, 0) == head and os.fstat(self._file).st_size == size:
            self.there = valid_rows(self._rows().view(np.uint8), self.shard, self._format.size)
            return
        os.ftruncate(self._file, 0)  # of another cache, or nothing yet
        os.ftruncate(self._file, size)
        _reserve(self._file, size)
        _write(self._file, head, 0)

    def _rows(self) -> np.ndarray:
        return np.memmap(self._unfinished, self._format.record, 'r', HEAD, (len(self.shard), ))

    @property
    def missing(self) -> np.ndarray:
        """The indices of the samples that have no record yet."""
        return np.flatnonzero(~self.there) + self.shard.start

    def write(self, indices: np.ndarray, rows: np.ndarray) -> None:
        """Writes records; those that are there already are written over.

        Args:
            indices: Their samples (N,).
            rows: What :func:`encode` returned.

        Raises:
            UserError: The disk is full or fails; what was written before is kept.
        """
        size, rows = self._format.size, rows.copy()
        raw = rows.view(np.uint8).reshape(len(rows), size)
        rows['crc'] = [seal(row.data, self.shard.epoch, int(index)) for row, index in zip(raw, indices, strict=True)]
        places = np.asarray(indices) - self.shard.start
        breaks = np.flatnonzero(np.diff(places) != 1) + 1  # neighbours are written at once
        try:
            for place, part in zip(np.split(places, breaks), np.split(raw, breaks), strict=True):
                _write(self._file, part.tobytes(), HEAD + int(place[0]) * size)
            if time.monotonic() - self._flushed > FLUSH_SECONDS:
                os.fsync(self._file)
                self._flushed = time.monotonic()
        except OSError as error:
            raise self._failed(error) from error
        self.there[places] = True

    def finish(self) -> None:
        """Makes the shard last and gives it its name.

        Raises:
            UserError: A record is missing, or the disk fails.
        """
        if not self.there.all():
            raise UserError(f'{self.path} expects a record of each of {len(self.shard):,} samples, and '
                            f'{len(self.missing):,} are missing, first {self.missing[0]}. Let the recipe draw every '
                            'sample in an epoch, or build without --like-training.')
        try:
            _write(self._file, counted(*top1(self._rows(), self._format)), IDENTITY)
            os.fsync(self._file)
            os.replace(self._unfinished, self.path)
            with suppress(OSError):  # some file systems cannot, and need not
                folder = os.open(self.path.parent, os.O_RDONLY)
                os.fsync(folder)
                os.close(folder)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Closes the file; what is written stays, finished or not."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> 'Writer':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _failed(self, error: OSError) -> UserError:
        return UserError(f'cannot write {self._unfinished}: {error.strerror or error}. Make room and run the same '
                         'command again: what was written is kept, and is taken up.')


def _write(file: int, content: bytes, place: int) -> None:
    """``os.pwrite`` until all is written; near the end of a disk it may write a part."""
    view = memoryview(content)
    while view:
        done = os.pwrite(file, view, place)
        view, place = view[done:], place + done


def _reserve(file: int, size: int) -> None:
    """Takes the disk's space, where the file system can; else a full disk is met when the records are written."""
    try:
        os.posix_fallocate(file, 0, size)
    except AttributeError:  # not on this system
        return
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
