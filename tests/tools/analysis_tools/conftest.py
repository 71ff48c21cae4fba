"""Pictures that the analyses look at."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope='session')
def pictures(tmp_path_factory) -> Path:
    """Two classes of six noisy images of 32×32, and a damaged file."""
    folder = tmp_path_factory.mktemp('pictures')
    write_noise(folder, 12, 'ab')
    (folder / 'a' / 'damaged.png').write_bytes(b'none')
    return folder


@pytest.fixture(scope='session')
def eleven_classes(tmp_path_factory) -> Path:
    """One image each of more classes than the quick start's models have."""
    folder = tmp_path_factory.mktemp('eleven')
    write_noise(folder, 11, 'abcdefghijk')
    return folder


def write_noise(folder: Path, number: int, classes: str) -> None:
    """Writes images of 32×32 into subfolders, in turn."""
    for index in range(number):
        path = folder / classes[index % len(classes)] / f'{index}.png'
        path.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(index).integers(0, 255, (32, 32, 3), np.uint8)
        Image.fromarray(noise).save(path)
