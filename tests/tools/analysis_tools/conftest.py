"""Pictures that the analyses look at."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope='session')
def pictures(tmp_path_factory) -> Path:
    """Two classes of six noisy images of 32×32, and a damaged file."""
    folder = tmp_path_factory.mktemp('pictures')
    for number in range(12):
        path = folder / 'ab'[number % 2] / f'{number}.png'
        path.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 255, (32, 32, 3), np.uint8)
        Image.fromarray(noise).save(path)
    (folder / 'a' / 'damaged.png').write_bytes(b'none')
    return folder
