"""ChannelsLastHook: the same training in another layout, also resumed and in two processes; a teacher's option."""
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn import functional as F

from mmkd.engine.hooks import ChannelsLastHook, EpochSeedHook
from mmkd.engine.resume.setup import make_resumable

from ...processes import run_ranks
from .test_dynamic_sparsity import Net, make_runner


class Mobile(BaseModel):
    """A dense, a depthwise and a pointwise convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, 2), nn.BatchNorm2d(16)
        self.depth, self.point = nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor, label: Tensor, mode: str = 'tensor') -> Tensor | dict:
        maps = self.point(F.relu(self.depth(F.relu(self.norm(self.stem(x))))))
        logits = self.head(maps.mean((2, 3)))
        return dict(loss=F.cross_entropy(logits, label)) if mode == 'loss' else logits


def follows(tensor: Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)


class Layouts(Hook):
    """Notes the layout of a convolution's map and gradient; stops a run, before an epoch or iteration has ended."""

    priority = 'LOWEST'

    def __init__(self, stop: int | None = None, stop_iter: int | None = None) -> None:
        self.of_map, self.of_gradient, self.stop, self.stop_iter = set(), set(), stop, stop_iter

    def before_train(self, runner: Runner) -> None:
        model = getattr(runner.model, 'module', runner.model)
        model.stem.register_forward_hook(lambda *args: self.of_map.add(follows(args[2])))
        model.stem.weight.register_post_accumulate_grad_hook(lambda weight: self.of_gradient.add(follows(weight.grad)))

    def after_train_epoch(self, runner: Runner) -> None:
        if runner.epoch + 1 == self.stop:
            raise KeyboardInterrupt

    def after_train_iter(self, runner: Runner, **kwargs: object) -> None:
        if runner.iter + 1 == self.stop_iter:
            raise KeyboardInterrupt


def train(folder: Path, *hooks: Hook, **kwargs: object) -> Runner:
    runner = make_runner(folder, custom_hooks=[EpochSeedHook(), *hooks], **{'model': Mobile()} | kwargs)
    make_resumable(runner)
    runner.train()
    return runner


def assert_alike(one: Runner, other: Runner) -> None:
    for (name, mine), theirs in zip(one.model.state_dict().items(), other.model.state_dict().values(), strict=True):
        torch.testing.assert_close(mine.contiguous(), theirs, msg=lambda text, name=name: f'{name}: {text}')


@pytest.mark.parametrize('model', [Mobile, Net])
def test_only_the_layout_differs(tmp_path, model):
    layouts = Layouts()
    torch.manual_seed(0)
    plain = train(tmp_path / 'plain', model=model(), optim_wrapper=dict(optimizer=dict(type='SGD', lr=.1)))
    torch.manual_seed(0)
    other = train(tmp_path / 'other', ChannelsLastHook(), layouts, model=model(),
                  optim_wrapper=dict(optimizer=dict(type='SGD', lr=.1)))
    assert layouts.of_map == layouts.of_gradient == {True}
    assert_alike(other, plain)


def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(tmp_path):
    whole = train(tmp_path / 'whole', ChannelsLastHook())
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / 'stopped', ChannelsLastHook(), Layouts(stop=2))
    resumed = train(tmp_path / 'stopped', ChannelsLastHook(), layouts := Layouts(), resume=True)
    assert layouts.of_map == layouts.of_gradient == {True}
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name


@pytest.mark.parametrize(('first', 'second'), [([], [ChannelsLastHook()]), ([ChannelsLastHook()], [])])
def test_a_run_is_resumed_in_the_other_layout(tmp_path, first, second):
    """A fused optimizer walks weights and its averages in the order of memory."""
    fused = dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=.1, momentum=.9, fused=True)))
    torch.manual_seed(0)
    whole = train(tmp_path / 'whole', **fused)
    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / 'run', *first, Layouts(stop=2), **fused)
    saved = torch.load(tmp_path / 'run/epoch_1.pth', weights_only=False)
    states = saved['optimizer']['state'].values()
    assert all(value.is_contiguous() for each in (saved['state_dict'], *states) for value in each.values())
    assert_alike(train(tmp_path / 'run', *second, resume=True, **fused), whole)


@pytest.mark.parametrize(('first', 'second'), [([], [ChannelsLastHook()]), ([ChannelsLastHook()], [])])
def test_gradients_of_half_an_update_are_taken_into_the_other_layout(tmp_path, first, second):
    """A fused optimizer walks weights and gradients in the order of memory."""
    settings = dict(optim_wrapper=dict(accumulative_counts=2, optimizer=dict(type='SGD', lr=.1, fused=True)),
                    default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3)))
    torch.manual_seed(0)
    whole = train(tmp_path / 'whole', **settings)
    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / 'run', *first, Layouts(stop_iter=4), **settings)
    saved = torch.load(tmp_path / 'run/iter_3.pth', weights_only=False)['gradients']
    assert saved and all(value.is_contiguous() for value in saved.values())
    assert_alike(train(tmp_path / 'run', *second, resume=True, **settings), whole)


@pytest.mark.parametrize('part', ['average', 'accumulated'])
def test_with_what_else_a_training_has(tmp_path, part):
    sgd = dict(type='SGD', lr=.1)
    wrapper = dict(optimizer=sgd, accumulative_counts=2 if part == 'accumulated' else 1)
    for name, hook in (('plain', []), ('other', [ChannelsLastHook()])):
        torch.manual_seed(0)
        average = [dict(type='mmkd.EMAHook', momentum=.1, priority='ABOVE_NORMAL')] if part == 'average' else []
        train(tmp_path / name, *hook, *average, optim_wrapper=wrapper)
    states = [torch.load(tmp_path / name / 'epoch_4.pth', weights_only=False) for name in ('plain', 'other')]
    for key in ('state_dict', *(['ema_state_dict'] if part == 'average' else [])):
        for name, value in states[0][key].items():
            torch.testing.assert_close(states[1][key][name], value)


def _train_as_rank(rank: int, folder: str) -> None:
    wrapper = dict(type='MMDistributedDataParallel', device_ids=None)
    runner = train(Path(folder), ChannelsLastHook(), layouts := Layouts(), launcher='pytorch',
                   cfg=dict(model_wrapper_cfg=wrapper))
    assert layouts.of_map == layouts.of_gradient == {True}
    torch.save(runner.model.module.state_dict(), Path(folder) / f'rank{rank}.pth')


@pytest.mark.processes
def test_two_processes_agree(tmp_path):
    run_ranks(_train_as_rank, tmp_path, str(tmp_path / 'run'))
    ranks = [torch.load(tmp_path / 'run' / f'rank{rank}.pth', weights_only=True) for rank in range(2)]
    assert all(torch.equal(ranks[1][name], value) for name, value in ranks[0].items() if 'norm' not in name)
