"""A runner of a small distiller on noise, with a validation loop."""
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ...distillers.conftest import classifier

CLASSES = tuple('abc')


class Pictures(Dataset):
    """Pictures whose brightness tells their class, and noise; as packed for mmpretrain.

    Args:
        size: Their number.
        seed: Of the noise.
        labels: Whether they have labels.
        classes: Names of the classes.
        jitter: Of a random transform, which draws from PyTorch's generator.
    """

    def __init__(self, size: int, seed: int = 0, labels: bool = True, classes: tuple[str, ...] = CLASSES,
                 jitter: float = 0.) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.arange(size) % len(classes)
        noise = torch.randint(0, 60, (size, 3, 32, 32), generator=generator)
        self.images = (noise + 90 * self.labels[:, None, None, None]).clamp(0, 255).to(torch.uint8)
        self.metainfo = dict(classes=classes) if labels else {}
        self.with_label, self.jitter = labels, jitter

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        from mmpretrain.structures import DataSample
        sample = DataSample()
        if self.with_label:
            sample.set_gt_label(self.labels[index])
        return dict(inputs=self.images[index] + (self.jitter * torch.rand(())).byte(), data_samples=sample)


def loader_of(dataset: Dataset, batch_size: int = 4) -> dict:
    return dict(batch_size=batch_size, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='pseudo_collate'), dataset=dataset)


def distiller_config(**changes) -> dict:
    terms = dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'),
                 fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='stage2',
                         connector=dict(type='mmkd.ConvConnector'), weight=0.5))
    return dict(dict(type='mmkd.Distiller', student=classifier(8, classes=3), teacher=classifier(8, classes=3),
                     input_size=32, task_weight=0., terms=terms), **changes)


def runner_of(work_dir: Path, loop: dict | None, val: Dataset | None = None, model: dict | None = None,
              **settings) -> Runner:
    """A runner of two epochs on pictures without labels that validates by a loop after each."""
    validation = {} if loop is None else dict(
        val_dataloader=loader_of(val or Pictures(14, seed=1)), val_cfg=dict(loop), val_evaluator=[])
    config = dict(
        model=model or distiller_config(), work_dir=str(work_dir), default_scope='mmpretrain',
        train_dataloader=dict(loader_of(Pictures(16, labels=False)), sampler=dict(type='DefaultSampler', shuffle=True)),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)), train_cfg=dict(by_epoch=True, max_epochs=2),
        randomness=dict(seed=0), experiment_name=work_dir.name, log_level='WARNING') | validation | settings
    torch.manual_seed(0)
    return Runner(**{key: ConfigDict(value) if key == 'model' else value for key, value in config.items()})


@pytest.fixture
def make_runner(tmp_path):
    """Builds a runner in a folder of its own; see :func:`runner_of`."""
    return lambda loop, *args, name='run', **settings: runner_of(tmp_path / name, loop, *args, **settings)
