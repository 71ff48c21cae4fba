"""A small recipe on pictures of three classes, a cache of its teacher's answers, and training from it."""
import copy
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from mmkd.cache import Request, build
from mmkd.engine.models import model_of
from mmkd.engine.training import train_config
from mmkd.registry import MODELS

from ...distillers.conftest import classifier

CLASSES = 3
REPLAY = dict(seed=5)
MIXING = dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)])


def write_files(folder: Path, count: int = 22) -> None:
    """Writes pictures, the list of them, and the weights of two teachers."""
    random, lines = np.random.default_rng(0), []
    for number in range(count):
        cv2.imwrite(str(folder / f'{number}.png'), random.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        lines.append(f'{number}.png {number % CLASSES}\n')
    (folder / 'list.txt').write_text(''.join(lines))
    for name in ('teacher', 'other'):
        model = MODELS.build(classifier(16, classes=CLASSES))
        torch.nn.init.normal_(model.head.fc.weight, std=1.0)
        torch.save(dict(state_dict=model.state_dict()), folder / f'{name}.pth')


def make_recipe(folder: Path, work: str = 'work', mixing: bool = False, terms: dict | None = None, epochs: int = 2,
                **changes) -> Config:
    """A recipe of 22 pictures in batches of 4, with keys of the config in place of its own."""
    student, teacher = classifier(8, classes=CLASSES), classifier(16, classes=CLASSES)
    if mixing:
        student['train_cfg'] = copy.deepcopy(MIXING)
    pipeline = [dict(type='LoadImageFromFile'), dict(type='RandomResizedCrop', scale=32),
                dict(type='RandomFlip', prob=0.5), dict(type='PackInputs')]
    kd = dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits')
    return Config(dict(
        default_scope='mmpretrain', launcher='none', work_dir=str(folder / work), randomness=dict(seed=3),
        model=dict(type='mmkd.Distiller', student=student, input_size=32, terms=terms or dict(kd=kd),
                   teacher=teacher | dict(checkpoint=str(folder / 'teacher.pth'))),
        train_dataloader=dict(
            batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(type='CustomDataset', data_root=str(folder), ann_file='list.txt', data_prefix='',
                         metainfo=dict(classes=['a', 'b', 'c']), pipeline=pipeline)),
        train_cfg=dict(by_epoch=True, max_epochs=epochs), optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
        custom_hooks=[dict(type='mmkd.DistillationHook', gradient_interval=0)],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=4, by_epoch=False)),
        visualizer=dict(type='Visualizer'), log_level='WARNING') | changes)


def keep(folder: Path, config: Config, name: str = 'cache', **request) -> str:
    """Builds a cache and gives its folder."""
    request = dict(epochs=2, topk='all') | request
    init_default_scope('mmpretrain')
    build(copy.deepcopy(config), Request(folder / name, **request), say=lambda line: None)
    return str(folder / name)


def with_cache(config: Config, cache: str, alone: bool = False) -> Config:
    """A recipe with a cache."""
    config = copy.deepcopy(config)
    config.model.teacher = dict(cache=cache) if alone else config.model.teacher | dict(cache=cache)
    return config


def trained(config: Config) -> dict[str, Tensor]:
    """Trains, and gives the student's weights; of a model that is trained alone, its own."""
    model = model_of(train_config(copy.deepcopy(config), validate=False))
    return getattr(model, 'student', model).state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether weights are equal to the last bit."""
    return all(torch.equal(one[name], other[name]) for name in one)
