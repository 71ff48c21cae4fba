"""A few hundred small pictures in Fashion-MNIST's file format."""
import gzip
import hashlib
from pathlib import Path

import numpy as np


def photos(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey rectangles on noisy black, (N, 28, 28), with a hole; the wider the higher the label."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = rng.integers(0, 5, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels):
        width, top = 8 + 2 * int(label), int(rng.integers(0, 6))
        image[top:top + 20, 14 - width // 2:14 + width // 2] = rng.integers(60, 256)
        image[top + 8:top + 11, 13:15] = 0
    return images, labels


def idx(values: np.ndarray) -> bytes:
    """The bytes of an IDX file."""
    return bytes([0, 0, 8, values.ndim]) + b''.join(size.to_bytes(4, 'big') for size in values.shape) + values.tobytes()


def write_fashion(folder: Path, train: int = 240, test: int = 40, packed: bool = False) -> dict[str, str]:
    """Writes the four files; returns their names and hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {}
    for seed, (split, count) in enumerate((('train', train), ('t10k', test))):
        for kind, values in zip(('images-idx3', 'labels-idx1'), photos(count, seed)):
            name, content = f'{split}-{kind}-ubyte', idx(values)
            known[name] = hashlib.sha256(content).hexdigest()
            (folder / f'{name}{".gz" * packed}').write_bytes(gzip.compress(content) if packed else content)
    return known
