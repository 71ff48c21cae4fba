"""Small pictures, folders of them, and archives, for the tests of what reads them."""
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

WORDNET_IDS = ('n01440764', 'n01443537', 'n01484850')


def jpeg(seed: int, size: tuple[int, int] = (24, 16)) -> bytes:
    """A JPEG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'JPEG')
    return buffer.getvalue()


def pictures(per_class: int = 3, classes: tuple[str, ...] = WORDNET_IDS) -> dict[str, bytes]:
    """CLASS/CLASS_NUMBER.JPEG to content."""
    return {f'{name}/{name}_{i}.JPEG': jpeg(100 * c + i) for c, name in enumerate(classes) for i in range(per_class)}


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    """Writes files below a folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def tar_bytes(files: dict[str, bytes]) -> bytes:
    """A tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip, with its folders as members of their own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', method) as archive:
        for folder in sorted({name.rpartition('/')[0] for name in files} - {''}):
            archive.writestr(f'{folder}/', b'')
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
