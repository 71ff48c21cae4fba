"""Resuming through tools/train.py: the same run to the last bit, or one line that says why not."""
import json
from pathlib import Path

import pytest
import torch

from mmkd.utils.checkpoint import read_checkpoint
from mmkd.utils.configs import config_root

from .conftest import call
from .test_train import flat

# A student with all kinds of draws: crops and colours in the data, mixup, dropped paths; ten iterations an epoch.
DRAWS = f"""
_base_ = '{config_root()}/quickstart/convnest-mini_digits-5shot.py'
model = dict(backbone=dict(drop_path_rate=0.3), train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8)]))
train_dataloader = dict(batch_size=10, dataset=dict(times=2))
val_dataloader = dict(dataset=dict(ann_file='meta/train_5_per_class_seed1.txt', data_prefix='train'))
train_cfg = dict(max_epochs=3, val_interval=1)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=-1), logger=dict(interval=1))
"""
ITERATIONS = """
_base_ = './draws.py'
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=26, val_interval=13)
train_dataloader = dict(sampler=dict(type='InfiniteSampler'))
param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=5),
                   dict(type='CosineAnnealingLR', by_epoch=False, begin=5)]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=7), logger=dict(log_metric_by_epoch=False))
log_processor = dict(by_epoch=False)
custom_hooks = []
"""
EMA = """
_base_ = './draws.py'
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='EMAHook', momentum=0.05, priority='ABOVE_NORMAL')]
"""
INSIDE = ['default_hooks.checkpoint.by_epoch=False', 'default_hooks.checkpoint.interval=7']
WORKERS = ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True', 'custom_hooks=[]']
ENDLESS_PASSES = ['train_dataloader.sampler.type=DefaultSampler', 'train_dataloader.sampler.shuffle=True']


@pytest.fixture(scope='module')
def place(home) -> Path:
    (home / 'draws.py').write_text(DRAWS)
    (home / 'average.py').write_text(EMA)
    (home / 'iterations.py').write_text(ITERATIONS)
    return home


@pytest.fixture(scope='module')
def whole(place) -> Path:
    """An uninterrupted run of three epochs."""
    assert call('train.py', 'draws.py', '--work-dir', 'whole', cwd=place) == 0
    return place / 'whole'


def records(work_dir: Path) -> dict[int, dict]:
    """What was logged at each iteration, as far as it follows from the training."""
    lines = [json.loads(line) for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
             for line in path.read_text().splitlines()]
    return {line['iter'] if 'iter' in line else line['step']:
            {name: line[name] for name in ('lr', 'loss') if name in line} for line in lines if 'loss' in line}


def validations(work_dir: Path) -> dict[int, float]:
    lines = [json.loads(line) for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
             for line in path.read_text().splitlines()]
    return {line['step']: line['accuracy/top1'] for line in lines if 'accuracy/top1' in line}


def state(path: Path) -> dict[str, torch.Tensor]:
    checkpoint = read_checkpoint(path)
    names = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')
    tensors = flat({name: checkpoint[name] for name in names if name in checkpoint})
    numbers = [{name: value for name, value in each.items() if isinstance(value, (int, float, list))}
               for each in checkpoint['param_schedulers']]
    return tensors | dict(schedulers=numbers, rates=[group['lr'] for group in checkpoint['optimizer']['param_groups']])


def assert_same(first: Path, second: Path, name: str) -> None:
    one, other = state(first / name), state(second / name)
    assert one.keys() == other.keys()
    assert [key for key, value in one.items()
            if not (torch.equal(value, other[key]) if isinstance(value, torch.Tensor) else value == other[key])] == []
    logged, again = records(first), records(second)
    # Losses are smoothed over a window that a checkpoint keeps.
    assert again and {step: logged[step] for step in again} == again
    assert validations(second) and validations(second).items() <= validations(first).items()


CASES = {
    'epochs': ('draws.py', [], 'epoch_1.pth', 'epoch_3.pth'),
    'ema': ('average.py', [], 'epoch_2.pth', 'epoch_3.pth'),
    'accumulation that does not divide an epoch': (
        'draws.py', ['optim_wrapper.accumulative_counts=4'], 'epoch_1.pth', 'epoch_3.pth'),
    'inside an epoch': ('draws.py', [*INSIDE, 'optim_wrapper.accumulative_counts=3'], 'iter_14.pth', 'iter_30.pth'),
    'at the end of an epoch that is not closed': (
        'draws.py', [*INSIDE[:1], 'default_hooks.checkpoint.interval=10'], 'iter_10.pth', 'iter_30.pth'),
    'workers': ('draws.py', WORKERS, 'epoch_2.pth', 'epoch_3.pth'),
    'workers inside an epoch': ('draws.py', [*WORKERS, *INSIDE], 'iter_14.pth', 'iter_30.pth'),
    'iterations': ('iterations.py', ['optim_wrapper.accumulative_counts=4'], 'iter_7.pth', 'iter_26.pth'),
    'iterations with workers': ('iterations.py', WORKERS[:2], 'iter_14.pth', 'iter_26.pth'),
    'iterations in passes': ('iterations.py', ENDLESS_PASSES, 'iter_14.pth', 'iter_26.pth'),
    'no seed': ('draws.py', ['randomness.seed=None', 'custom_hooks=[]', *INSIDE], 'iter_14.pth', 'iter_30.pth'),
}


@pytest.mark.parametrize('case', CASES)
def test_a_resumed_run_is_the_same_run(case, place, tmp_path):
    config, options, middle, last = CASES[case]
    options = ['--cfg-options', *options] if options else []
    assert call('train.py', config, '--work-dir', tmp_path / 'whole', *options, cwd=place) == 0
    assert call('train.py', config, '--work-dir', tmp_path / 'resumed', '--resume', tmp_path / 'whole' / middle,
                *options, cwd=place) == 0
    assert_same(tmp_path / 'whole', tmp_path / 'resumed', last)
