"""Tiny pictures, and models that learn them in a second."""
from pathlib import Path

import mmkd
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

STUDENT = dict(config='quickstart/convnest-mini_digits-5shot.py')
QUICK = dict(epochs=2, size=32, batch_size=6, workers=0, progress=False)


def write_pictures(folder: Path, count: int = 6, seed: int = 0, suffix: str = '.png') -> None:
    """Pictures of noise, of one colour a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for number in range(count):
        pixels = draw.integers(0, 100, (36, 40, 3), dtype=np.uint8)
        pixels[..., seed % 3] += 120
        Image.fromarray(pixels).save(folder / f'{number}{suffix}')


def write_classes(root: Path, names: tuple[str, ...] = ('circle', 'ring', 'square'), count: int = 6) -> Path:
    """A folder a class."""
    for number, name in enumerate(names):
        write_pictures(root / name, count, number)
    return root


def teacher(classes: int = 3) -> nn.Module:
    """A teacher of random weights."""
    return mmkd.get_model('quickstart/slak-mini_digits.py', num_classes=classes)


class Plain(nn.Module):
    """A plain network with a stage, a pooled map and a classifier."""

    def __init__(self, classes: int = 3, width: int = 8) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(width, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


@pytest.fixture(scope='session')
def pictures(tmp_path_factory) -> Path:
    return write_classes(tmp_path_factory.mktemp('pictures') / 'shapes')


@pytest.fixture(scope='session')
def teacher_spec(tmp_path_factory) -> dict:
    """A teacher by config and checkpoint."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    torch.save(dict(state_dict=teacher().state_dict()), file)
    return dict(config='quickstart/slak-mini_digits.py', options={'model.head.num_classes': 3}, checkpoint=str(file))
