"""Finding out whether an image file is whole."""
import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from mmengine.fileio import get
from PIL import Image

from mmkd.utils import UserError

HEAD, TAIL = 32, 64
LONGEST = 10_000  # characters of a line of a list that are looked at
KEPT = 16  # below this, the upper 8 bits of a value show that only the lower 12 of its 16 are used
JPEG, PNG = b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'
UNREADABLE = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)  # of damaged files
Kind = Literal['mislabelled', 'missing', 'no class', 'no image', 'not listed', 'not read', 'too dark', 'truncated',
               'unreadable', 'wrong count', 'wrong size']


@dataclass(frozen=True)
class ImageFile:
    """An image and what is known of it.

    Args:
        path: Its path, of a file or in ``archive://``.
        size: Its width and height.
        same_size_as: Another image, whose size it has to have.
        max_value: The largest value that its pixels may have.
        named_by: The file, and the line in it, that names it.
    """
    path: str
    size: tuple[int, int] | None = None
    same_size_as: str | None = None
    max_value: int | None = None
    named_by: str | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong: ``missing``, ``truncated``, ``mislabelled`` …, where, and in plain words."""
    kind: Kind
    path: str
    text: str

    def __str__(self) -> str:
        return f'{self.kind}\t{self.path}\t{self.text}'


def is_problem_list(path: Path) -> bool:
    """Whether a file is a list of problems, one a line."""
    try:
        with path.open(encoding='utf-8') as file:
            kind, *others = file.readline(LONGEST).split('\t')
    except (OSError, UnicodeDecodeError):
        return False
    return kind in get_args(Kind) and len(others) > 1


def check_image(image: ImageFile, decode: bool = False) -> Problem | None:
    """Checks one image: that it is there, whole, and as large as it should be.

    Without ``decode`` only the first and last bytes of a JPEG or PNG are read. Where they do not settle the matter,
    and of every other format, the whole image is decoded.

    Args:
        image: The image.
        decode: Whether to decode all pixels.

    Returns:
        The first problem that was found.
    """
    try:
        head, tail = _ends(image.path)
    except (FileNotFoundError, NotADirectoryError):
        named = f', but {image.named_by} names it' if image.named_by else ''
        return Problem('missing', image.path, f'there is no such file{named}')
    except UserError as error:
        return Problem('missing' if 'holds no file' in str(error) else 'truncated', image.path, str(error))
    except OSError as error:
        return Problem('unreadable', image.path, error.strerror or str(error))
    if not head:
        return Problem('truncated', image.path, 'the file is empty')
    try:
        deep = head.startswith(PNG) and head[24:25] == b'\x10'  # 16 bits a channel
        problem = _check_pixels(image, deep) if decode or deep or not _looks_whole(head, tail) else None
        return problem or _check_size(image)
    except UNREADABLE as error:
        kind = 'truncated' if head.startswith((JPEG, PNG)) else 'no image'
        kind = 'unreadable' if isinstance(error, Image.DecompressionBombError) else kind
        return Problem(kind, image.path, ' '.join(str(error).split()))


def _ends(path: str) -> tuple[bytes, bytes]:
    """The first and the last bytes of a file."""
    if '://' in path:
        content = get(path)
        return content[:HEAD], content[-TAIL:]
    with open(path, 'rb') as file:
        head = file.read(HEAD)
        file.seek(max(os.fstat(file.fileno()).st_size - TAIL, 0))
        return head, file.read(TAIL)


def _looks_whole(head: bytes, tail: bytes) -> bool:
    return (head.startswith(JPEG) and b'\xff\xd9' in tail) or (head.startswith(PNG) and b'IEND' in tail)


def _open(path: str) -> Image.Image:
    return Image.open(io.BytesIO(get(path)) if '://' in path else Path(path))


def _check_pixels(image: ImageFile, deep: bool) -> Problem | None:
    with _open(image.path) as opened:
        opened.load()
        if image.max_value is None and (deep or opened.mode.startswith('I;16')):
            highest = max(np.ravel(opened.getextrema()).tolist())
            limit = KEPT << 8 if opened.mode.startswith('I') else KEPT  # Pillow keeps the upper 8 bits of colours
            if highest < limit:
                return Problem('too dark', image.path, 'has 16 bits a channel, but uses the lower 12 or fewer, and '
                               'loaders keep the upper 8. Scale the values up')
        if image.max_value is not None:
            extrema = opened.getextrema()
            if isinstance(extrema[0], tuple) or extrema[1] > image.max_value:
                return Problem('mislabelled', image.path, f'expects one channel up to {image.max_value}, got {extrema}')
    return None


def _check_size(image: ImageFile) -> Problem | None:
    wanted = image.size
    if wanted is None and image.same_size_as is None:
        return None
    with _open(image.path) as opened:
        found = opened.size
    if wanted is None:
        try:
            with _open(image.same_size_as) as other:
                wanted = other.size
        except UNREADABLE:
            return None  # that image has its own check
    if tuple(found) != tuple(wanted):
        return Problem('wrong size', image.path, f'expects {wanted[0]}x{wanted[1]}, got {found[0]}x{found[1]}')
    return None


def mask_values(path: str) -> set[int]:
    """The values in a mask; nothing of one that cannot be read or has several channels."""
    try:
        with _open(path) as opened:
            pixels = np.asarray(opened)
    except UNREADABLE:
        return set()
    return set(np.unique(pixels).tolist()) if pixels.ndim == 2 and pixels.dtype != bool else set()
