"""A folder of small pictures and a pipeline that draws from every generator."""
import random
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.registry import DATASETS
from mmpretrain.registry import TRANSFORMS
from torch.utils.data import DataLoader

from mmkd.datasets.replay import ReplayedDataset, replay_loader

CLASSES = ('a', 'b', 'c')
MIXING = dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)])


@TRANSFORMS.register_module(force=True)
class Brighter(BaseTransform):
    """Adds what Python's generator draws."""

    def transform(self, results: dict) -> dict:
        results['img'] = cv2.add(results['img'], random.randint(0, 40))
        return results


@TRANSFORMS.register_module(force=True)
class OwnGenerator(BaseTransform):
    """Draws from a generator that nobody else can seed."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)

    def transform(self, results: dict) -> dict:
        results['img'] = cv2.add(results['img'], int(self.generator.integers(0, 40)))
        return results


PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=16),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandAugment', policies='timm_increasing', num_policies=2, total_level=10, magnitude_level=9,
         magnitude_std=0.5),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4),
    dict(type='Brighter'),
    dict(type='NumpyToPIL', to_rgb=True),
    dict(type='torchvision/RandomAffine', degrees=20),
    dict(type='PILToNumpy', to_bgr=True),
    dict(type='RandomErasing', erase_prob=0.5, mode='rand'),
    dict(type='PackInputs'),
]


def write_pictures(folder: Path, images: int = 13) -> Path:
    """Pictures in one folder a class."""
    drawn = np.random.RandomState(0)
    for number in range(images):
        path = folder / CLASSES[number % 3] / f'{number}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = drawn.randint(0, 256, (5, 6, 3)).astype(np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (30, 24), interpolation=cv2.INTER_LINEAR))
    return folder


def config(folder: Path, pipeline: list | None = None) -> dict:
    return dict(type='mmpretrain.CustomDataset', data_prefix=str(folder), metainfo=dict(classes=CLASSES),
                pipeline=pipeline or PIPELINE)


def dataset(folder: Path, pipeline: list | None = None):
    return DATASETS.build(config(folder, pipeline))


def loader(folder: Path, workers: int = 0, batch_size: int = 4, sampler: type = DefaultSampler, data=None, **options):
    """A replayed loader, and its data set."""
    data = data if data is not None else dataset(folder)
    made = DataLoader(data, batch_size, sampler=sampler(data, shuffle=True, seed=0), num_workers=workers,
                      collate_fn=pseudo_collate, persistent_workers=workers > 0)
    views = replay_loader(made, **dict(seed=5, checksums='all') | options)
    assert made.dataset is views and isinstance(views, ReplayedDataset)
    return made


def seen(loader, epochs=(0, )) -> dict[tuple[int, int], int]:
    """View to checksum of some epochs."""
    found = {}
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            found.update({sample.view: sample.view_checksum for sample in batch['data_samples']})
    return found
