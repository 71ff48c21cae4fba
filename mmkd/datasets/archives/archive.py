"""Reading files straight from zip and tar archives, as a file backend of MMEngine.

``archive://data/imagenet.index/train/n01440764/n01440764_18.JPEG`` names a file in the archives that
``data/imagenet.index`` lists, and ``archive://data/ADEChallengeData2016.zip/…`` one in a zip. Whatever reads its files
through MMEngine takes such a path: the datasets of mmpretrain, mmdet and mmseg as ``data_root``, too.
"""
import json
import os
import re
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np

from mmkd.utils.errors import UserError

from .members import DEFLATED, RAW, Member, list_members

PREFIX = 'archive://'
FORMAT = 1
COLUMNS = dict(archive=np.uint16, offset=np.int64, stored=np.int64, size=np.int64, kind=np.uint8, crc=np.uint32)
_ENDS = re.compile(r'\.(?:zip|tar|index)(?=/|$)')


class Archive:
    """Files in a zip, or in the archives that an index lists.

    It may be used in several processes and threads at once: reads name their position in the file, so a descriptor
    that was inherited is no trouble. Names are kept as one sorted array, which forked workers share.

    Args:
        path: A ``.zip``, or a ``.index`` that ``tools/dataset_converters/prepare.py`` wrote.

    Raises:
        UserError: The file is missing, damaged, or a tar, which needs an index.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f'{PREFIX} expects a .zip or .index, got {path}, which does not exist.')
        if self.path.suffix == '.tar':
            raise UserError(f'{PREFIX} expects a .zip or .index, got {path}, and a tar has no index. Make one with: '
                            f'python tools/dataset_converters/prepare.py folders {path} --index')
        if self.path.suffix == '.index':
            self._files, self._names, self._columns = _load_index(self.path)
        else:
            self._files = [(self.path, self.path.stat().st_size)]
            self._names, self._columns = _table((0, member) for member in list_members(self.path))
        self._descriptors: dict[int, int] = {}

    def read(self, name: str) -> bytes:
        """Reads a file.

        Raises:
            UserError: There is no such file, or the archive was changed, cut off or damaged.
        """
        row = self._find(name)
        if row is None:
            raise UserError(f'archive {self.path} holds no file {name!r}.')
        archive, offset, stored, size, kind, crc = (int(column[row]) for column in self._columns.values())
        if kind != RAW:
            header = self._read_at(archive, offset, 30)
            if header[:4] != b'PK\3\4':
                raise self._damaged(archive, name)
            offset += 30 + int.from_bytes(header[26:28], 'little') + int.from_bytes(header[28:30], 'little')
        content = self._read_at(archive, offset, stored)
        if kind == DEFLATED:
            try:
                content = zlib.decompress(content, -15)
            except zlib.error as error:
                raise self._damaged(archive, name) from error
        if len(content) != size or (kind != RAW and zlib.crc32(content) != crc):
            raise self._damaged(archive, name)
        return content

    def is_file(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return self._find(name) is not None

    def is_folder(self, name: str) -> bool:
        """Whether there is a folder of this name."""
        return any(True for _ in self.children(name))

    def size(self, name: str) -> int:
        """Bytes of a file that is there."""
        return int(self._columns['size'][self._find(name)])

    def children(self, folder: str = '') -> Iterator[tuple[str, bool]]:
        """Lists a folder: names, each with whether it is a folder."""
        prefix = f'{folder}/'.encode() if folder else b''
        row = self._first(prefix)
        while row < len(self._names) and self._names[row].startswith(prefix):
            name, slash, _ = bytes(self._names[row])[len(prefix):].partition(b'/')
            yield name.decode(), bool(slash)
            row = self._first(prefix + name + b'0') if slash else row + 1  # '0' comes next after '/'

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        return [name.decode() for name in self._names.tolist()]

    def _first(self, name: bytes) -> int:
        """The row of a name, or of the first one after it."""
        return bisect_left(self._names, name)

    def _find(self, name: str) -> int | None:
        encoded = name.encode()
        row = self._first(encoded)
        return row if row < len(self._names) and self._names[row] == encoded else None

    def _read_at(self, archive: int, offset: int, count: int) -> bytes:
        if archive not in self._descriptors:
            path, size = self._files[archive]
            if not path.is_file() or path.stat().st_size != size:
                raise UserError(f'{self.path} expects the archive {path} of {size} bytes, '
                                f'{"which has another size" if path.is_file() else "which does not exist"}. '
                                'Fetch it again, or make the index again.')
            self._descriptors[archive] = os.open(path, os.O_RDONLY)
        return os.pread(self._descriptors[archive], count, offset)

    def _damaged(self, archive: int, name: str) -> UserError:
        return UserError(f'archive {self._files[archive][0]} is damaged: {name} cannot be read. Fetch it again.')


@cache
def open_archive(path: str) -> Archive:
    """An :class:`Archive`, opened once a process."""
    return Archive(Path(path).expanduser())


def split_uri(uri: str) -> tuple[Archive, str]:
    """Splits a path into the archive and the file or folder in it.

    Raises:
        UserError: The path names no archive, or climbs out of it.
    """
    path = str(uri).removeprefix(PREFIX)
    match = next((m for m in _ENDS.finditer(path) if not Path(path[:m.end()]).is_dir()), None)
    if match is None:
        raise UserError(f'{PREFIX} expects the path of a .zip or .index, and then that of a file in it, got {uri}.')
    parts = [part for part in path[match.end():].split('/') if part not in ('', '.')]
    if '..' in parts:
        raise UserError(f'{uri} climbs out of the archive. Leave the ".." out.')
    return open_archive(path[:match.end()]), '/'.join(parts)


def is_index(path: Path) -> bool:
    """Whether a file is an index, of whatever format; its archives need not be there."""
    if not is_zipfile(path):  # what NumPy writes
        return False
    with ZipFile(path) as content:
        return 'head.npy' in content.namelist()


def write_index(path: Path, archives: list[Path], members: Iterable[tuple[int, Member]],
                called: Sequence[Path] | None = None) -> int:
    """Writes an index of files in archives.

    Args:
        path: The ``.index`` to write.
        archives: The archives.
        members: The files, each with the number of its archive.
        called: What the user calls the archives, where these are copies.

    Returns:
        How many files it lists.

    Raises:
        UserError: Two files have the same name.
    """
    names, columns = _table(members)
    double = np.flatnonzero(names[1:] == names[:-1])
    if len(double):
        row = double[0]
        first, second = ((called or archives)[number] for number in columns['archive'][row:row + 2])
        where = f'twice in {first}' if first == second else f'in {first} and in {second}'
        raise UserError(f'a data set of archives expects every file once, got {names[row].decode()} {where}. Leave one '
                        'archive out, or put it elsewhere with FOLDER=ARCHIVE.')
    folder = path.resolve().parent
    files = [dict(path=os.path.relpath(archive.resolve(), folder), size=archive.stat().st_size) for archive in archives]
    head = np.frombuffer(json.dumps(dict(format=FORMAT, archives=files)).encode(), np.uint8)
    temporary = path.with_name(f'.{path.name}.tmp')
    with temporary.open('wb') as file:
        np.savez(file, head=head, names=names, **columns)
    temporary.replace(path)
    return len(names)


def _table(members: Iterable[tuple[int, Member]]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Names and columns, sorted by name."""
    rows = [(m.name.encode(), number, m.offset, m.stored, m.size, m.kind, m.crc) for number, m in members]
    rows.sort()
    names, *values = zip(*rows) if rows else ((),) * 7
    columns = {key: np.array(value, dtype) for (key, dtype), value in zip(COLUMNS.items(), values)}
    return np.array(names, dtype=np.bytes_), columns


def _load_index(path: Path) -> tuple[list[tuple[Path, int]], np.ndarray, dict[str, np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as content:
            head = json.loads(content['head'].tobytes())
            names, columns = content['names'], {key: content[key] for key in COLUMNS}
        if head['format'] != FORMAT:
            raise ValueError(f'format {head["format"]}')
        return [(path.parent / file['path'], file['size']) for file in head['archives']], names, columns
    except (OSError, ValueError, KeyError, EOFError, TypeError, zlib.error, BadZipFile) as error:
        raise UserError(f'{path} is no index of archives, or damaged ({error}). Make it again with '
                        'tools/dataset_converters/prepare.py.') from error
