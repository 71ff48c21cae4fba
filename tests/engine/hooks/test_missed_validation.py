"""A validation that is made up for: the figures of the run that was not interrupted."""
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmkd.distillers import Distiller
from mmkd.engine.resume.setup import make_resumable


class Pictures(Dataset):
    """Eight pictures of noise with labels."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(index)), index % 4


class Last(Hook):
    """Keeps the figures of the last validation; ends a run before it, if asked to."""

    priority = 'LOWEST'

    def __init__(self, interrupt: bool = False) -> None:
        self.interrupt, self.figures = interrupt, {}

    def before_val(self, runner: Runner) -> None:
        if self.interrupt and runner.iter == runner.max_iters:
            raise KeyboardInterrupt

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.figures = metrics


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))


def train(folder: Path, weight: dict, by_epoch: bool, interrupt: bool = False, resume: bool = False
          ) -> tuple[Runner, dict[str, float]]:
    torch.manual_seed(0)
    term = dict(loss=dict(type='mmkd.ATLoss'), student='0', teacher='0', weight=dict(weight, by_epoch=by_epoch))
    model = Distiller(student=net(), teacher=net(), input_size=8, terms=dict(at=term))
    loader = dict(batch_size=4, sampler=dict(type='DefaultSampler', shuffle=False), dataset=Pictures(),
                  collate_fn=dict(type='default_collate'))
    lengths = dict(by_epoch=True, max_epochs=2) if by_epoch else dict(by_epoch=False, max_iters=2)
    runner = Runner(
        model, str(folder), train_dataloader=loader, train_cfg=dict(lengths, val_interval=1), val_dataloader=loader,
        val_cfg=dict(type='mmkd.TermLossValLoop'), val_evaluator=[], custom_hooks=[last := Last(interrupt)],
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=.1)), resume=resume, log_level='ERROR',
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=by_epoch, interval=1)),
        default_scope='mmengine', randomness=dict(seed=0),
        experiment_name=f'{folder.parent.name}-{folder.name}-{resume}')
    make_resumable(runner)
    runner.train()
    return runner, last.figures


@pytest.mark.parametrize('weight', [dict(value=1000., decay='linear'), dict(value=1000., warmup=2)])
@pytest.mark.parametrize('by_epoch', [True, False])
def test_the_terms_have_the_weights_of_the_step_before(tmp_path, weight, by_epoch):
    whole, expected = train(tmp_path / 'whole', weight, by_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / 'run', weight, by_epoch, interrupt=True)
    resumed, figures = train(tmp_path / 'run', weight, by_epoch, resume=True)
    assert figures == expected
    assert [resumed.message_hub.get_info(name) for name in ('epoch', 'iter')] == [resumed.epoch, resumed.iter]
