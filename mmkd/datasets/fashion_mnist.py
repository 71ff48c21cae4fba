"""The four files of Fashion-MNIST: found, fetched, checked by their hashes, and read."""
import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mmkd.utils.checkpoints.files import hash_of_bytes
from mmkd.utils.command_line.tool_paths import tool_path
from mmkd.utils.errors import UserError

CLASSES = ('T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot')
IMAGES, LABELS = 'train-images-idx3-ubyte', 'train-labels-idx1-ubyte'
# Of the unpacked files: packed ones differ from place to place in the names and times that gzip keeps.
SHA256 = {
    IMAGES: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    LABELS: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    't10k-images-idx3-ubyte': '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    't10k-labels-idx1-ubyte': '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
}
LARGEST = 16 + 60000 * 28 * 28  # bytes: what claims to unpack to more is something else
HEADER = 16  # bytes of an IDX file with three axes
DEBIAN = Path('/usr/share/datasets/fashion-mnist')
GET = ('Get the files with: apt-get install dataset-fashion-mnist (Debian), or as train-images-idx3-ubyte.gz and so on '
       'from https://github.com/zalandoresearch/fashion-mnist, and name their folder with --data.')


def read_files(folder: Path, known: Mapping[str, str] = SHA256) -> dict[str, bytes]:
    """Reads the files of a folder, packed by gzip or not.

    Args:
        folder: Where they are.
        known: Their names and the hashes that they must have.

    Returns:
        Name to content.

    Raises:
        UserError: A file is missing, damaged or another one.
    """
    return {name: _read(folder, name, wanted) for name, wanted in known.items()}


def _read(folder: Path, name: str, wanted: str) -> bytes:
    plain, packed = folder / name, folder / f'{name}.gz'
    path = plain if plain.is_file() else packed
    if not path.is_file():
        raise UserError(f'Fashion-MNIST expects {name} or {name}.gz in {folder}, got neither. {GET}')
    try:
        with gzip.open(path) if path is packed else path.open('rb') as file:
            content = file.read(LARGEST + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f'{path} is damaged: {error}. {GET}') from error
    found = hash_of_bytes(content)
    if found != wanted:
        raise UserError(f'{path} expects the SHA-256 {wanted} (unpacked), got {found}: it is damaged, or of another '
                        f'data set. {GET}')
    return content


def damaged_file(folder: Path, known: Mapping[str, str] = SHA256) -> str:
    """Says what is wrong with the first of the unpacked files that is; an empty text if they are whole."""
    for name, wanted in known.items():
        path = folder / name
        if not path.is_file():
            return f'{path} does not exist'
        if path.stat().st_size > LARGEST or hash_of_bytes(path.read_bytes()) != wanted:
            return f'{path} expects the SHA-256 {wanted}, got another'
    return ''


def fetch_files(known: Mapping[str, str] = SHA256) -> dict[str, bytes]:
    """Reads the files of Debian's package, or downloads them by torchvision where it is not installed.

    Raises:
        UserError: Neither is possible, or what came is damaged.
    """
    if DEBIAN.is_dir():
        return read_files(DEBIAN, known)
    from torchvision.datasets import FashionMNIST
    with TemporaryDirectory() as folder:
        try:
            FashionMNIST(folder, download=True)
        except (OSError, RuntimeError) as error:
            reason = ' '.join(str(error).split())
            raise UserError(f'Fashion-MNIST could not be downloaded: {reason}. {GET}') from error
        return read_files(Path(folder, 'FashionMNIST/raw'), known)


def read_idx(content: bytes) -> np.ndarray:
    """Reads an IDX file of bytes: images (N, 28, 28), or labels (N,).

    Raises:
        ValueError: It is none, or cut off.
    """
    shape = idx_shape(content[:HEADER], len(content))
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def idx_shape(head: bytes, size: int) -> tuple[int, ...]:
    """The shape that the first bytes of an IDX file tell.

    Args:
        head: The first 16 bytes, or all of a shorter file.
        size: The length of the file, which must fit.

    Raises:
        ValueError: The file is none of bytes, with one or three axes, or is cut off.
    """
    axes = head[3] if head[:3] == b'\0\0\x08' and len(head) > 3 else 0  # 8: unsigned bytes
    shape = tuple(int.from_bytes(head[4 + 4 * axis:8 + 4 * axis], 'big') for axis in range(axes))
    if axes not in (1, 3) or size != 4 + 4 * axes + math.prod(shape):
        raise ValueError(f'an IDX file expects a header of 8-bit values and as many values as it says, got '
                         f'{size} bytes that start with {head[:4].hex()}. Get the file again.')
    return shape


def check_fashion_files(key: str, root: Path) -> None:
    """Checks before a training that the four unpacked files are there and whole, as their headers say.

    Args:
        key: The data set's place in the config, for the message.
        root: Its folder.

    Raises:
        UserError: A file is missing, cut off, or something else.
    """
    mend = f'Run: python {tool_path("dataset_converters/fashion.py")}'
    for name in SHA256:
        path = root / name
        if not path.is_file():
            raise UserError(f'{key} (FashionMNIST) expects {path}, which does not exist. {mend}')
        try:
            with path.open('rb') as file:
                idx_shape(file.read(HEADER), path.stat().st_size)
        except ValueError as error:
            raise UserError(f'{key} (FashionMNIST) cannot read {path}: {error} {mend} --force') from error
