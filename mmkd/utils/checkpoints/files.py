"""What a file that is said to be a checkpoint is, before it is loaded: its format, and whether it is whole."""
import hashlib
import json
import pickletools
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

HASH_IN_NAME = re.compile(r'-([0-9a-f]{8,64})\.')
LEGACY_MAGIC = bytes.fromhex('8a0a6cfc9c46f9206aa85019')  # a number that PyTorch wrote first before it wrote archives
BLOCK = 1 << 20
AS_FOLDER = 0x10  # MS-DOS's attribute: PyTorch hands out memory as it lies for such an entry, and writes none
# First bytes to what such a file is.
OTHERS = {
    b'\x89HDF': 'an HDF5 file, as of Keras', b'\x93NUMPY': 'a NumPy array', b'\x1f\x8b': 'a gzip archive',
    b'\x89PNG': 'a picture', b'\xff\xd8\xff': 'a picture', b'GIF8': 'a picture', b'%PDF': 'a PDF document',
    b'Rar!': 'a RAR archive', b'7z\xbc\xaf': 'a 7z archive', b'BZh': 'a bzip2 archive', b'\xfd7zXZ': 'an xz archive',
    b'version https://git-lfs': 'a pointer of Git LFS, not the file itself (git lfs pull fetches it)',
    b'\x7fELF': 'a program', b'#!': 'a script',
}


class NoCheckpointError(Exception):
    """A file is no checkpoint, or is damaged; the message, which follows the file's name, says which."""


def format_of(path: Path) -> str:
    """Tells a checkpoint's format by its content, and that it is whole as far as the format can tell.

    Args:
        path: An existing file.

    Returns:
        ``'torch'``, ``'legacy torch'``, ``'pickle'`` or ``'safetensors'``.

    Raises:
        NoCheckpointError: It is empty, cut off, damaged, or something else.
    """
    with open(path, 'rb') as file:
        head = file.read(512)
    size = path.stat().st_size
    if not size:
        raise NoCheckpointError('is truncated: it is empty')
    if _is_archive(path):
        _check_archive(path)
        return 'torch'
    if head.startswith(b'PK\x03\x04'):
        raise NoCheckpointError('is truncated or no checkpoint: the end of its archive is missing')
    if len(head) >= 8 and head[8:9] == b'{':
        _check_safetensors(path, head, size)
        return 'safetensors'
    if head[:1] == b'\x80' and LEGACY_MAGIC in head[:24]:
        return 'legacy torch'
    if head[:1] == b'\x80' and len(head) > 1 and 2 <= head[1] <= 5:
        return 'pickle'
    raise NoCheckpointError(f'is no checkpoint: it is {_other(head)}')


def _is_archive(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except Exception:  # some damaged ends of archives
        return True


def _other(head: bytes) -> str:
    """What a file is that is none of the formats."""
    for magic, name in OTHERS.items():
        if head.startswith(magic):
            return name
    text = head.lstrip(b'\xef\xbb\xbf').lstrip()
    if text[:1] == b'<':
        return 'a web page (HTML or XML)'
    if text[:1] in (b'{', b'['):
        return 'text in JSON'
    if text and all(byte >= 32 or byte in b'\t\r\n' for byte in head):
        return 'text'
    return 'of no format that is known, or its first bytes are damaged'


def _check_archive(path: Path) -> None:
    """Compares every entry with its checksum, which ``torch.load`` does not."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            bad = archive.testzip() or next((entry.filename for entry in archive.infolist()
                                             if entry.external_attr & AS_FOLDER), None)
    except Exception as error:  # whatever zipfile makes of damaged headers
        raise NoCheckpointError(f'is damaged: its archive cannot be read ({error or type(error).__name__})') from error
    if bad is not None:
        raise NoCheckpointError(f'is damaged: its entry {bad} is not what was written')
    if any(name.endswith('/constants.pkl') for name in names):
        raise NoCheckpointError('is a model of TorchScript, which holds code beside its weights')
    if not any(name.endswith('/data.pkl') for name in names):
        raise NoCheckpointError(f'is no checkpoint: it is an archive of other files, such as {names[0]}' if names else
                                'is no checkpoint: it is an empty archive')


def _check_safetensors(path: Path, head: bytes, size: int) -> None:
    """Compares the length of the header, and of what it announces, with the file's."""
    (length, ) = struct.unpack('<Q', head[:8])
    if length > size - 8:
        raise NoCheckpointError('is truncated or no safetensors file (its header is longer than the file)')
    with open(path, 'rb') as file:
        file.seek(8)
        try:
            entries = json.loads(file.read(length))
            end = max([entry['data_offsets'][1] for name, entry in entries.items() if name != '__metadata__'] or [0])
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise NoCheckpointError('is damaged or no safetensors file (its header cannot be read)') from error
    if size - 8 - length != end:
        raise NoCheckpointError(f'is truncated or no safetensors file ({end:,} bytes of tensors are announced, '
                                f'{size - 8 - length:,} are there)')


def hash_in_name(name: str) -> str | None:
    """The first digits of a sha256 that a file's name carries, as in ``model-0123abcd.pth``; None if there are none.

    Eight digits without a letter are no hash here: they are a date more often.
    """
    found = HASH_IN_NAME.search(name)
    return None if found is None or found.group(1).isdecimal() else found.group(1)


def check_name(path: Path) -> None:
    """Compares a file with the sha256 that its name carries.

    Raises:
        NoCheckpointError: It has another one.
    """
    digits = hash_in_name(path.name)
    if digits:
        found = sha256_of(path)
        if not found.startswith(digits):
            raise NoCheckpointError(f'is damaged or another file: its name says sha256 {digits}, it has '
                                    f'{found[:len(digits)]}. If you made it yourself, rename it')


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def hash_of_bytes(content: bytes) -> str:
    """The sha256 of what will be a file, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def objects_in(path: Path) -> list[str]:
    """The names of the classes and functions that the pickles of a file ask for; as far as they can be read."""
    if not _is_archive(path):
        return sorted(set(_globals(path.read_bytes())))
    with zipfile.ZipFile(path) as archive:
        return sorted({found for name in archive.namelist() if name.endswith('/data.pkl')
                       for found in _globals(archive.read(name))})


def _globals(content: bytes) -> Iterator[str]:
    """Names in one pickle after another, until something else comes."""
    texts: list[str] = []
    try:
        for code, argument, _ in pickletools.genops(content):
            if code.name == 'GLOBAL':
                yield argument.replace(' ', '.')
            elif code.name == 'STACK_GLOBAL':
                yield '.'.join(texts[-2:])
            elif isinstance(argument, str):
                texts.append(argument)
    except Exception:  # a damaged pickle ends anyhow
        return
