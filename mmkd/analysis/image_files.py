"""Finding out whether an image file is whole."""
import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from mmengine.fileio import get
from PIL import Image

from mmkd.utils import UserError

HEAD, TAIL = 32, 64
JPEG, PNG = b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'


@dataclass(frozen=True)
class ImageFile:
    """An image and what is known of it.

    Args:
        path: Its path, of a file or in ``archive://``.
        size: Its width and height.
        same_size_as: Another image, whose size it has to have.
        max_value: The largest value that its pixels may have.
    """
    path: str
    size: tuple[int, int] | None = None
    same_size_as: str | None = None
    max_value: int | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong: ``missing``, ``truncated``, ``mislabelled`` …, where, and in plain words."""
    kind: str
    path: str
    text: str

    def __str__(self) -> str:
        return f'{self.kind}\t{self.path}\t{self.text}'


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
        return Problem('missing', image.path, 'there is no such file')
    except UserError as error:
        return Problem('missing' if 'holds no file' in str(error) else 'truncated', image.path, str(error))
    except OSError as error:
        return Problem('unreadable', image.path, error.strerror or str(error))
    if not head:
        return Problem('truncated', image.path, 'the file is empty')
    try:
        problem = _check_pixels(image) if decode or not _looks_whole(head, tail) else None
        return problem or _check_size(image)
    except (OSError, SyntaxError, ValueError, struct.error) as error:  # what Pillow raises for damaged files
        kind = 'truncated' if head.startswith((JPEG, PNG)) else 'no image'
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


def _check_pixels(image: ImageFile) -> Problem | None:
    with _open(image.path) as opened:
        opened.load()
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
        except (OSError, SyntaxError, ValueError):
            return None  # that image has its own check
    if tuple(found) != tuple(wanted):
        return Problem('wrong size', image.path, f'expects {wanted[0]}x{wanted[1]}, got {found[0]}x{found[1]}')
    return None
