"""What zip and tar archives hold, and where in the file each member's bytes are."""
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mmkd.datasets.junk import in_junk
from mmkd.utils.errors import UserError

RAW, STORED, DEFLATED = 0, 1, 2  # bytes at the offset; a zip's local header there, then bytes as they are or deflated
BLOCK = 512  # of a tar


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Args:
        name: Its path, with slashes.
        offset: Where its bytes (``RAW``) or its local header (zip) begin.
        stored: How many bytes it takes in the archive.
        size: How many bytes it has.
        kind: ``RAW``, ``STORED`` or ``DEFLATED``.
        crc: CRC-32 of its bytes; 0 for a ``RAW`` one, where it is not known.
    """
    name: str
    offset: int
    stored: int
    size: int
    kind: int = RAW
    crc: int = 0


def list_members(path: Path) -> Iterator[Member]:
    """Lists the files in a zip or tar; a tar inside a tar counts as a folder of its name.

    What systems leave beside data, such as ``__MACOSX`` and ``.DS_Store``, and hidden files are left out.

    Args:
        path: The archive. A tar must not be compressed: single files could not be read from it.

    Yields:
        The members, in the archive's order.

    Raises:
        UserError: The archive is missing, cut off, compressed as a whole, encrypted, or holds a link or a path that
            climbs out of it.
    """
    try:
        with path.open('rb') as file:
            magic = file.read(4)
            if magic[:2] == b'PK':
                yield from _zip_members(path)
            elif magic[:2] == b'\x1f\x8b' or magic[:3] == b'BZh' or magic == b'\xfd7zX':
                raise UserError(f'archive {path} is compressed as a whole, so that single images cannot be read from '
                                'it. Unpack it instead.')
            else:
                yield from _tar_members(path, file, 0, path.stat().st_size, '')
    except OSError as error:
        raise UserError(f'archive {path} cannot be read: {error.strerror or error}.') from error


def safe_name(name: str, archive: Path) -> str:
    """A member's path with slashes, also where Windows wrote backslashes, and without ``./``.

    Raises:
        UserError: It is absolute or climbs out of the archive.
    """
    parts = PurePosixPath(name.replace('\\', '/')).parts
    if not parts or parts[0].startswith('/') or '..' in parts or ':' in parts[0]:
        raise UserError(f'archive {archive} holds {name!r}, a path that climbs out of it. Do not use this archive.')
    return '/'.join(parts)


def _zip_members(path: Path) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise UserError(f'archive {path} is cut off or damaged: {error}. Fetch it again.') from error
    kinds = {zipfile.ZIP_STORED: STORED, zipfile.ZIP_DEFLATED: DEFLATED}
    for info in infos:
        if info.filename.endswith(('/', '\\')) or in_junk(name := safe_name(info.filename, path)):
            continue
        if info.flag_bits & 1 or info.compress_type not in kinds:
            raise UserError(f'archive {path} expects members that are stored or deflated and not encrypted, which '
                            f'{info.filename} is not. Unpack it instead.')
        yield Member(name, info.header_offset, info.compress_size, info.file_size, kinds[info.compress_type], info.CRC)


def _tar_members(path: Path, file: BinaryIO, start: int, size: int, folder: str) -> Iterator[Member]:
    """The members of the tar that begins at ``start`` and takes ``size`` bytes."""
    end = start
    try:
        file.seek(start)
        with tarfile.open(fileobj=file, mode='r:') as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # tarfile would keep them, which may be a million
                end = info.offset_data + -(-info.size // BLOCK) * BLOCK if info.isreg() else info.offset_data
                if end > start + size:
                    raise tarfile.ReadError(f'{info.name} goes on beyond the end')
                if not info.isdir():
                    yield from _tar_member(path, file, info, folder)
    except tarfile.TarError as error:
        raise UserError(f'archive {path} is no tar, cut off or damaged: {error}. Fetch it again.') from error
    file.seek(end)
    if end + BLOCK > start + size or file.read(BLOCK).strip(b'\0'):
        raise UserError(f'archive {path} is cut off: it lacks the end mark of a tar. Fetch it again.')


def _tar_member(path: Path, file: BinaryIO, info: tarfile.TarInfo, folder: str) -> Iterator[Member]:
    name = safe_name(f'{folder}{info.name}', path)
    if in_junk(name):
        return
    if not info.isreg() or info.issparse():
        raise UserError(f'archive {path} expects plain files, got the link or device {name}. Unpack it instead.')
    if not name.endswith('.tar'):
        yield Member(name, info.offset_data, info.size, info.size)
        return
    yield from _tar_members(path, file, info.offset_data, info.size, name.removesuffix('.tar') + '/')
