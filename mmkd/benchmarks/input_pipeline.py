"""A recipe's input pipeline and timm's, with the same augmentation, for comparison of their speed."""
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmkd.datasets.archives.archive import PREFIX, write_index
from mmkd.datasets.archives.members import list_members
from mmkd.datasets.replay import replay_loader
from mmkd.datasets.replay.batch import ViewBatch
from mmkd.datasets.replay.views import kept_generators
from mmkd.utils import UserError
from mmkd.utils.building.build import type_name

CLASSES = 4
EDGE, NEUTRAL = ('ResizeEdge', 'Resize'), ('LoadImageFromFile', 'CenterCrop', 'PackInputs')
CROPS = ('RandomResizedCrop', 'LoadRandomResizedCrop')
MIXING = dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)])


def draw_photos(folder: Path, number: int, size: tuple[int, int] = (500, 375), quality: int = 90) -> float:
    """Writes JPEGs that cost as much to decode as photographs: noise with their spectrum on a gradient.

    Args:
        folder: Where; class folders are made below it.
        number: How many.
        size: Width and height; ImageNet's mean.
        quality: Of the JPEG.

    Returns:
        The mean kilobytes of a file; ImageNet's are about 110.
    """
    rng, total = np.random.default_rng(0), 0
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)) + 1 / width
    gradient = np.linspace(-30, 30, width) + np.linspace(-30, 30, height)[:, None]
    for index in range(number):
        planes = [np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) / frequency, (height, width))
                  for _ in range(2)]
        light, colour = (plane / plane.std() for plane in planes)
        pixels = 128 + gradient[..., None] + 40 * light[..., None] + 8 * colour[..., None] * (1, 0, -1)
        path = folder / f'class{index % CLASSES}' / f'{index}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
        total += path.stat().st_size
    return total / number / 1000


def pack_photos(folder: Path) -> dict[str, tuple[str, str]]:
    """Packs a folder into a zip and an indexed tar beside it.

    Args:
        folder: A folder with one folder a class.

    Returns:
        For each the root that mmkd reads, and the one that timm does, which reads no zip: the folder there.
    """
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    names = [str(path.relative_to(folder)) for path in files]
    as_zip, as_tar, index = (folder.with_suffix(ending) for ending in ('.zip', '.tar', '.index'))
    with zipfile.ZipFile(as_zip, 'w') as archive:
        for path, name in zip(files, names):
            archive.write(path, name)
    with tarfile.open(as_tar, 'w') as archive:
        for path, name in zip(files, names):
            archive.add(path, name)
    write_index(index, [as_tar], ((0, member) for member in list_members(as_tar)))
    return dict(zip=(f'{PREFIX}{as_zip}', str(folder)), tar=(f'{PREFIX}{index}', str(as_tar)))


def own_loader(loader: ConfigDict, root: str | Path, batch_size: int) -> DataLoader:
    """The recipe's own loader, without worker processes, on the images of a folder or archive.

    Args:
        loader: ``train_dataloader`` or ``val_dataloader`` of a recipe.
        root: Where the folders of the classes are.
        batch_size: Images a batch.
    """
    init_default_scope('mmpretrain')
    dataset = dict(type='CustomDataset', data_root=str(root), pipeline=loader.dataset.pipeline)
    sampler = dict(type='DefaultSampler', shuffle='RandomFlip' in _by_type(loader.dataset.pipeline))
    collate = {key: loader[key] for key in ('collate_fn',) if key in loader}
    return Runner.build_dataloader(dict(
        batch_size=batch_size, num_workers=0, dataset=dataset, sampler=sampler, drop_last=True, **collate))


def replayed_loaders(loader: ConfigDict, folder: Path, batch_size: int) -> dict[str, DataLoader]:
    """The recipe's loader as it is, with replayed views, and mixed in two ways; see :func:`own_loader`.

    Returns:
        ``'plain'``, ``'replayed'``, ``'pairs'`` (replayed and mixed, partners in one batch) and ``'decoded'`` (each
        image decodes its partner for itself) to the loaders.
    """
    found = {name: own_loader(loader, folder, batch_size) for name in ('plain', 'replayed', 'pairs', 'decoded')}
    replay_loader(found['replayed'], seed=0)
    for name in ('pairs', 'decoded'):
        views = replay_loader(found[name], seed=0, mixing=MIXING, num_classes=1000)

    def singly(indices: list[int]) -> list[dict]:
        with kept_generators():
            return [ViewBatch(views).samples([views.view_of(index)])[0] for index in indices]

    views.__getitems__ = singly
    return found


def timm_loader(loader: ConfigDict, root: str | Path, batch_size: int) -> DataLoader:
    """What timm's ``create_loader`` makes for the same augmentation; see :func:`own_loader`.

    It is timm's fast loader, which leaves normalising and random erasing to the device: only what its worker
    processes do is here.
    """
    from timm.data import ImageDataset, auto_augment, create_loader
    # At the largest magnitude timm asks for no bits at all, which Pillow 12.3 refuses.
    posterize = auto_augment.posterize
    auto_augment.NAME_TO_OP['PosterizeIncreasing'] = lambda image, bits, **_: posterize(image, max(bits, 1))
    settings = timm_settings(loader.dataset.pipeline)
    made = create_loader(ImageDataset(str(root)), batch_size=batch_size, num_workers=0, use_prefetcher=True,
                         device=torch.device('cpu'), **settings)
    return made.loader


def timm_settings(pipeline: Iterable[dict]) -> dict[str, Any]:
    """Arguments of timm's ``create_loader`` for a pipeline of mmpretrain.

    Raises:
        UserError: A transform has no equivalent here.
    """
    steps = _by_type(pipeline)
    if unknown := set(steps) - {*NEUTRAL, *CROPS, *EDGE, 'RandomFlip', 'RandAugment', 'RandomErasing'}:
        raise UserError(f'the comparison with timm expects transforms that it knows, got {", ".join(sorted(unknown))}. '
                        'Take another recipe.')
    crop = next((steps[name] for name in CROPS if name in steps), None)
    if crop is None:
        resize = next(steps[name] for name in EDGE if name in steps)
        size = steps['CenterCrop']['crop_size'] if 'CenterCrop' in steps else resize['scale']
        return dict(is_training=False, input_size=size, crop_pct=size / resize['scale'],
                    interpolation=resize.get('interpolation', 'bilinear'))
    settings = dict(is_training=True, input_size=crop['scale'], color_jitter=None, scale=crop.get('crop_ratio_range'),
                    interpolation=crop.get('interpolation', 'bilinear'),
                    hflip=steps.get('RandomFlip', {}).get('prob', 0.))
    if augment := steps.get('RandAugment'):
        settings['auto_augment'] = f'rand-m{augment["magnitude_level"]}-mstd{augment["magnitude_std"]}-inc1'
    if erasing := steps.get('RandomErasing'):
        settings.update(re_prob=erasing['erase_prob'], re_mode='pixel')
    return settings


def _by_type(pipeline: Iterable[dict]) -> dict[str, dict]:
    return {type_name(step): step for step in pipeline}
