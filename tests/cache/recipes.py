"""A small recipe whose teacher is asked, and the questions."""
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmkd.cache import Request, build
from mmkd.utils.configs.finding import load_config

RECIPE = 'quickstart/convnest-mini_slak-mini-kd_digits-5shot.py'
WEIGHTS = 'teacher.pth'
SAMPLES = 50
MIXING = dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)])


def save_teacher(path: Path, seed: int = 0) -> None:
    """Writes weights of the quick start's teacher."""
    init_default_scope('mmpretrain')
    torch.manual_seed(seed)
    model = MODELS.build(load_config('quickstart/slak-mini_digits.py').model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), path)


def recipe(**options: Any) -> Config:
    """The quick start's KD with this teacher, each image once an epoch, in batches of 16; 50 is no multiple of that."""
    init_default_scope('mmpretrain')
    return load_config(RECIPE, {
        'model.teacher.checkpoint': WEIGHTS, 'train_dataloader.batch_size': 16, 'train_dataloader.dataset.times': 1,
        'randomness.seed': 0} | options)


def built(folder: Path, config: Config | None = None, lines: list[str] | None = None, **request: Any) -> Path:
    """Builds a cache of two epochs."""
    build(config or recipe(), Request(folder, **(dict(epochs=2) | request)),
          (lambda line: None) if lines is None else lines.append)
    return folder


def shards(folder: Path) -> dict[str, bytes]:
    """The files of records, by their names."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob('*.records*'))}
