"""Resuming through tools/train.py: the same run to the last bit, or one line that says why not."""
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import config_root

from ..processes import run_ranks, run_tool
from .conftest import TOOLS, call, environment
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
SPARSE = """
_base_ = './iterations.py'
custom_hooks = [dict(type='mmkd.DynamicSparsityHook', sparsity=0.4, init='snip', interval=5)]
"""
INSIDE = ['default_hooks.checkpoint.by_epoch=False', 'default_hooks.checkpoint.interval=7']
WORKERS = ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True', 'custom_hooks=[]']
ENDLESS_PASSES = ['train_dataloader.sampler.type=DefaultSampler', 'train_dataloader.sampler.shuffle=True']


@pytest.fixture(scope='module')
def place(home) -> Path:
    (home / 'draws.py').write_text(DRAWS)
    (home / 'average.py').write_text(EMA)
    (home / 'sparse.py').write_text(SPARSE)
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
    return dict(validation_lines(work_dir))


def validation_lines(work_dir: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
             for line in path.read_text().splitlines()]
    return [(line['step'], line['accuracy/top1']) for line in lines if 'accuracy/top1' in line]


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
    'a batch taken before the first iteration': ('sparse.py', [], 'iter_14.pth', 'iter_26.pth'),
    'no seed': ('draws.py', ['randomness.seed=None', 'custom_hooks=[]', *INSIDE], 'iter_14.pth', 'iter_30.pth'),
}


QUICK = ('epochs', 'accumulation that does not divide an epoch', 'workers inside an epoch', 'iterations')


@pytest.mark.parametrize('case', [
    pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES])
def test_a_resumed_run_is_the_same_run(case, place, tmp_path):
    config, options, middle, last = CASES[case]
    options = ['--cfg-options', *options] if options else []
    assert call('train.py', config, '--work-dir', tmp_path / 'whole', *options, cwd=place) == 0
    assert call('train.py', config, '--work-dir', tmp_path / 'resumed', '--resume', tmp_path / 'whole' / middle,
                *options, cwd=place) == 0
    assert_same(tmp_path / 'whole', tmp_path / 'resumed', last)


@pytest.mark.processes
@pytest.mark.slow
def test_two_processes_between_two_updates(place, tmp_path, capfd):
    """Five iterations an epoch, an update every three: the gradients of both processes are in the checkpoint."""

    def train(name: str, *flags: str) -> None:
        (tmp_path / f'{name} ranks').mkdir()
        run_ranks(run_tool, tmp_path / f'{name} ranks', TOOLS / 'train.py', place, 'draws.py', '--work-dir',
                  tmp_path / name, *flags, '--cfg-options', 'optim_wrapper.accumulative_counts=3', 'custom_hooks=[]')
        [log] = (tmp_path / name).glob('*/*.log')
        assert 'are lost' not in log.read_text()

    train('whole')
    train('resumed', '--resume', str(tmp_path / 'whole/epoch_1.pth'))
    assert read_checkpoint(tmp_path / 'whole/epoch_1.pth')['meta']['iter'] == 5
    assert_same(tmp_path / 'whole', tmp_path / 'resumed', 'epoch_3.pth')

    def alone(batch_size: int) -> tuple[int, str]:
        capfd.readouterr()
        status = call('train.py', 'draws.py', '--work-dir', tmp_path / 'alone', '--resume',
                      tmp_path / 'whole/epoch_1.pth', '--cfg-options', 'optim_wrapper.accumulative_counts=3',
                      f'train_dataloader.batch_size={batch_size}', cwd=place)
        return status, ''.join(capfd.readouterr())

    status, output = alone(20)
    assert status == 0 and 'Resumed with batch_size 20 instead of 10, processes 1 instead of 2' in output
    assert 'The gradients of the last 2 iterations before the checkpoint are lost' in output
    status, output = alone(10)
    assert status == 2 and 'iterations an epoch 10 instead of 5, images an update 30 instead of 60' in output


KILLER = """
import os, signal
from pathlib import Path
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Killer(Hook):
    def before_val_iter(self, runner, batch_idx, data_batch=None):
        mark = Path(runner.work_dir, 'killed')
        if runner.epoch == int(os.environ['KILL_AT']) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_last_validation_that_was_cut_off_is_made_up_for(whole, place, tmp_path):
    """Killed while it validates for the last time."""
    (place / 'killer.py').write_text(KILLER)
    (place / 'killed.py').write_text("_base_ = './draws.py'\ncustom_imports = dict(imports=['killer'])\n"
                                     "custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='Killer')]\n")
    command = [sys.executable, str(TOOLS / 'train.py'), 'killed.py', '--work-dir', str(tmp_path)]
    variables = environment(KILL_AT='3', PYTHONPATH=os.pathsep.join([str(TOOLS.parent), str(place)]))
    assert subprocess.run(command, cwd=place, env=variables, capture_output=True).returncode == -signal.SIGKILL
    assert validations(tmp_path).keys() == {1, 2}
    result = subprocess.run([*command, '--resume'], cwd=place, env=variables, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert 'interrupted before its validation at epoch 3, iteration 30' in result.stdout
    assert validations(tmp_path) == validations(whole)


@pytest.mark.parametrize('epoch', [2, 3])
def test_only_a_validation_that_is_missing_is_made_up_for(epoch, whole, place, tmp_path):
    """What is left if a run ends between a checkpoint and its validation; or right after it."""
    shutil.copy(whole / f'epoch_{epoch}.pth', tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / f'epoch_{epoch}.pth'))
    arguments = ['draws.py', '--work-dir', tmp_path, '--resume']
    marks = [(dict(epoch=epoch - 1, iter=10 * epoch - 10), True), (dict(epoch=epoch, iter=10 * epoch), False)]
    for mark, repeated in marks:
        (tmp_path / 'last_checkpoint').write_text(str(tmp_path / f'epoch_{epoch}.pth'))
        (tmp_path / 'last_validation.json').write_text(json.dumps(mark))
        before = len(validation_lines(tmp_path))
        assert call('train.py', *arguments, cwd=place) == 0
        assert len(validation_lines(tmp_path)) - before == 3 - epoch + repeated
        assert validations(tmp_path).items() <= validations(whole).items()


def test_a_new_run_forgets_the_validations_of_an_old_one(place, tmp_path):
    (tmp_path / 'last_validation.json').write_text(json.dumps(dict(epoch=1, iter=10)))
    assert call('train.py', 'draws.py', '--work-dir', tmp_path, '--no-validate', '--cfg-options',
                'train_cfg.max_epochs=1', 'param_scheduler=[]', cwd=place) == 0
    assert not (tmp_path / 'last_validation.json').exists()


def refusal(place: Path, capsys: pytest.CaptureFixture, checkpoint: Path, *options: str) -> str:
    """The one line that says why a run is not resumed."""
    words = ['--cfg-options', *options] if options else []
    status = call('train.py', 'draws.py', '--work-dir', place / 'refused', '--resume', checkpoint, *words, cwd=place)
    lines = capsys.readouterr().err.splitlines()
    assert status == 2 and lines[-1].startswith('error: ')
    assert 'Traceback' not in lines
    return lines[-1]


@pytest.mark.parametrize(('options', 'message'), [
    (['train_dataloader.batch_size=20'], 'got iterations an epoch 5 instead of 10, images an update 20 instead of 10'),
    (['train_cfg.max_epochs=6'], 'got epochs 6 instead of 3, CosineAnnealingLR T_max 50 instead of 20, '
                                 'CosineAnnealingLR end 60 instead of 30.'),
    (['train_cfg.max_epochs=2'], 'epochs 2 instead of 3'),
    (['optim_wrapper.optimizer.lr=1e-3', 'optim_wrapper.optimizer.weight_decay=0.1'],
     'got lr 0.001 instead of 0.005, weight_decay 0.1 instead of 0.05.'),
    (['optim_wrapper.accumulative_counts=2'], 'images an update 20 instead of 10'),
    (['param_scheduler.1.eta_min=1e-4'], 'CosineAnnealingLR eta_min 0.0001 instead of 1e-05'),
])
def test_other_settings_are_refused(options, message, whole, place, capsys):
    line = refusal(place, capsys, whole / 'epoch_1.pth', *options)
    assert message in line and 'add --restart-schedule to go on with those of this config' in line


@pytest.mark.parametrize(('options', 'message'), [
    (['train_cfg.max_epochs=2'], 'expects a checkpoint of at most 2 epochs, which is where this config ends, got one '
                                 'of 3'),
    (['optim_wrapper.optimizer.type=Adam'], 'the optimizer of the interrupted run, got Adam instead of AdamW'),
    (['param_scheduler=[]'], 'the state of 0 parameter schedulers in the checkpoint, got 2'),
])
def test_another_kind_of_run_is_refused(options, message, whole, place, capsys):
    assert message in refusal(place, capsys, whole / 'epoch_3.pth', *options)


def test_epochs_are_not_resumed_as_iterations(whole, place, capsys):
    assert call('train.py', 'iterations.py', '--work-dir', place / 'refused', '--resume',
                whole / 'epoch_3.pth', cwd=place) == 2
    assert 'the loop of the interrupted run, got iteration instead of epoch' in capsys.readouterr().err


def test_checkpoints_that_cannot_be_resumed(whole, place, capsys):
    complete = read_checkpoint(whole / 'epoch_1.pth')
    optimizer, meta = complete['optimizer'], complete['meta']
    shuffled = {index: {name: value[:1] if value.dim() else value for name, value in entry.items()}
                for index, entry in optimizer['state'].items()}
    for change, message in [
            (dict(optimizer=None), 'got one without optimizer, as best_*.pth and published ones are'),
            (dict(optimizer=dict(optimizer, state={})), 'expects the state of AdamW, got none'),
            (dict(optimizer=dict(optimizer, state=shuffled)), 'expects the AdamW state of this model'),
            (dict(optimizer=dict(optimizer, param_groups=optimizer['param_groups'][:1])), 'parameter groups'),
            (dict(param_schedulers=None), 'got one without param_schedulers'),
            (dict(param_schedulers=[]), 'the state of 2 parameter schedulers in the checkpoint, got 0'),
            (dict(param_schedulers=complete['param_schedulers'][:1]), 'got 1'),
            (dict(meta=None), 'got one without meta'),
            (dict(meta={}), 'epoch None and iter None'),
            (dict(meta=dict(meta, epoch='1')), "got epoch '1'"),
            (dict(meta=dict(meta, epoch=-1)), 'got epoch -1'),
            (dict(meta=dict(meta, iter=25)), '10 iterations an epoch, which do not fit 25 iterations in 1 epochs'),
            (dict(meta=dict(meta, iter=25, run='text')), 'iterations an epoch 10 instead of 25'),
            (dict(meta=dict(meta, epoch=0, iter=25, run={})), 'do not fit 25 iterations in 0 epochs'),
            (dict(meta=dict(meta, run=dict(unit=3, epoch_length='x', end=2))), 'got epochs 3 instead of 2'),
            (dict(message_hub=None), 'message_hub')]:
        content = {name: value for name, value in (complete | change).items() if value is not None}
        torch.save(content, place / 'changed.pth')
        line = refusal(place, capsys, place / 'changed.pth')
        assert message in line, line


def test_without_a_record_other_lengths_are_still_found(whole, place, capsys):
    """A checkpoint that MMEngine's own tools wrote."""
    content = read_checkpoint(whole / 'epoch_1.pth')
    del content['meta']['run']
    torch.save(content, place / 'foreign.pth')
    line = refusal(place, capsys, place / 'foreign.pth', 'train_dataloader.batch_size=20')
    assert 'iterations an epoch 5 instead of 10' in line


def test_a_restarted_schedule_is_that_of_the_config(whole, place, tmp_path, capfd):
    """Twice the batch and twice the epochs: the learning rates are those of a run that had them from the start."""
    options = ['--cfg-options', 'train_dataloader.batch_size=20', 'train_cfg.max_epochs=6',
               'optim_wrapper.optimizer.lr=2e-3', 'optim_wrapper.optimizer.weight_decay=0.01']
    assert call('train.py', 'draws.py', '--work-dir', tmp_path / 'fresh', *options, cwd=place) == 0
    capfd.readouterr()
    assert call('train.py', 'draws.py', '--work-dir', tmp_path / 'restarted', '--resume', whole / 'epoch_2.pth',
                '--restart-schedule', *options, cwd=place) == 0
    assert '--restart-schedule: goes on after epoch 2, iteration 10 of 30, with ' in ''.join(capfd.readouterr())
    expected, found = ({step: entry['lr'] for step, entry in records(tmp_path / name).items()}
                       for name in ('fresh', 'restarted'))
    assert found == {step: rate for step, rate in expected.items() if step > 10}
    assert {group['weight_decay'] for group in
            read_checkpoint(tmp_path / 'restarted/epoch_6.pth')['optimizer']['param_groups']} == {0.01, 0.}
    assert (tmp_path / 'restarted/epoch_6.pth').is_file()


def test_restarting_the_same_schedule_changes_nothing(whole, place, tmp_path):
    assert call('train.py', 'draws.py', '--work-dir', tmp_path, '--resume', whole / 'epoch_1.pth',
                '--restart-schedule', cwd=place) == 0
    assert_same(whole, tmp_path, 'epoch_3.pth')
