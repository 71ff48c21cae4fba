"""Checkpoints that outlive a kill at any moment, a full disk and an interruption."""
import builtins
import errno
import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.fileio.backends import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mmkd.engine.checkpoints.whole import keep_checkpoints_whole
from mmkd.utils import UserError
from mmkd.utils.checkpoints.files import sha256_of
from mmkd.utils.checkpoints.reading import read_checkpoint

EPOCHS = 3
needs_fork = pytest.mark.skipif(not hasattr(os, 'fork') or sys.platform == 'darwin', reason='needs fork')


class Numbers(Dataset):
    """Eight inputs and what is to come out."""

    metainfo = dict(classes=('one', ))

    def __getitem__(self, index):
        return dict(inputs=torch.full((3, ), index / 8), target=torch.tensor([index / 4]))

    def __len__(self):
        return 8


class Line(BaseModel):
    """A linear map that learns them."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, inputs, target, mode='tensor'):
        out = self.layer(inputs)
        return dict(loss=(out - target).square().mean()) if mode == 'loss' else [out]


class Rising(BaseMetric):
    """A figure that gets better with every validation, so that each has a new best checkpoint."""

    def process(self, data_batch, data_samples):
        self.results.append(float(data_samples[0].sum()))

    def compute_metrics(self, results):
        return dict(figure=sum(results))


def train(work_dir: Path, resume: bool = False, **checkpoint: object) -> None:
    torch.manual_seed(0)
    loader = dict(dataset=Numbers(), batch_size=4, num_workers=0, collate_fn=dict(type='default_collate'),
                  sampler=dict(type='DefaultSampler', shuffle=False))
    runner = Runner(
        Line(), str(work_dir), train_dataloader=loader, val_dataloader=loader, val_evaluator=[Rising()],
        train_cfg=dict(by_epoch=True, max_epochs=EPOCHS, val_interval=1), val_cfg=dict(),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9)), resume=resume,
        param_scheduler=dict(type='ExponentialLR', gamma=0.9), randomness=dict(seed=0), log_level='ERROR',
        experiment_name=f'run-{os.getpid()}-{resume}', default_hooks=dict(checkpoint=dict(
            type='CheckpointHook', interval=1, max_keep_ckpts=1) | checkpoint))
    runner.train()


def in_a_child(work) -> int:
    """Runs something in a forked process; returns its status, or minus the signal that ended it."""
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Killer:
    """Ends this process at the n-th thing that it does to a file below a folder, half done where it writes."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.left = str(folder), number
        for owner, name in ((os, 'replace'), (os, 'fsync'), (os, 'remove'), (os, 'unlink')):
            setattr(owner, name, self.watched(getattr(owner, name)))
        builtins.open = self.watched_open(builtins.open)

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(self, function):
        def run(*args, **kwargs):
            self.count()  # before it
            result = function(*args, **kwargs)
            self.count()  # and after it
            return result
        return run

    def watched_open(self, function):
        def run(file, mode='r', *args, **kwargs):
            ours = isinstance(file, str | Path) and str(file).startswith(self.folder) and 'w' in mode
            opened = function(file, mode, *args, **kwargs)
            checkpoint = ours and any(part in str(file) for part in ('.pth', 'last_checkpoint'))
            if checkpoint:
                self.count()  # empty
                write = opened.write

                def halves(content):
                    write(content[:len(content) // 2])
                    opened.flush()
                    self.count()
                    return write(content[len(content) // 2:])

                return _Proxy(opened, halves)
            return opened
        return run


class _Proxy:
    """An open file with another way to write."""

    def __init__(self, file, write):
        self._file, self.write = file, write

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


def final(work_dir: Path) -> dict:
    return read_checkpoint(work_dir / f'epoch_{EPOCHS}.pth')


def assert_same(one: dict, other: dict) -> None:
    assert one['meta']['epoch'] == other['meta']['epoch'] == EPOCHS
    for name, value in one['state_dict'].items():
        assert torch.equal(value, other['state_dict'][name])
    for number, state in one['optimizer']['state'].items():
        assert torch.equal(state['momentum_buffer'], other['optimizer']['state'][number]['momentum_buffer'])
    assert one['param_schedulers'] == other['param_schedulers']


def killed(folder: Path, number: int, **checkpoint: object) -> bool:
    """Whether a run that keeps its checkpoints whole was killed at its n-th deed."""
    def work() -> None:
        keep_checkpoints_whole()
        Killer(folder, number)
        train(folder, **checkpoint)
    status = in_a_child(work)
    assert status in (0, -signal.SIGKILL)
    return status != 0


def resume(folder: Path, **checkpoint: object) -> int:
    return in_a_child(lambda: (keep_checkpoints_whole(), train(folder, resume=True, **checkpoint)))


@needs_fork
@pytest.mark.parametrize(('step', 'checkpoint'), [
    (2, {}), pytest.param(5, dict(save_best='figure', rule='greater'), marks=pytest.mark.slow),
    (7, dict(max_keep_ckpts=2))],
    ids=['keep one', 'best', 'keep two'])
def test_killed_at_any_moment_of_saving_it_resumes_to_the_same_bits(tmp_path, step, checkpoint):
    assert resume(tmp_path / 'whole', **checkpoint) == 0
    whole = final(tmp_path / 'whole')
    number, kills = 1, 0
    while killed(folder := tmp_path / f'kill-{number}', number, **checkpoint):
        for path in folder.glob('*.pth'):
            read_checkpoint(path)  # under its name, a file is whole
        mark = folder / 'last_checkpoint'
        assert not mark.exists() or Path(mark.read_text()).is_file()
        assert resume(folder, **checkpoint) == 0
        assert_same(whole, final(folder))
        assert sorted(path.name for path in folder.glob('epoch_*.pth')) == sorted(
            path.name for path in (tmp_path / 'whole').glob('epoch_*.pth'))
        assert not list(folder.glob('.*.tmp'))
        number, kills = number + step, kills + 1
    assert kills >= 50 // step


@needs_fork
def test_mmengines_own_way_loses_the_run(tmp_path):
    """The test above can fail: without the change, some kill leaves nothing to go on from."""
    lost = 0
    for number in range(1, 30, 2):
        folder = tmp_path / str(number)
        in_a_child(lambda folder=folder, number=number: (Killer(folder, number), train(folder)))
        mark = folder / 'last_checkpoint'
        lost += mark.exists() and not Path(mark.read_text() or 'none').is_file()
    assert lost


@pytest.fixture
def whole(monkeypatch):
    monkeypatch.setattr(LocalBackend, 'put', LocalBackend.put)
    for name in ('before_train', '_save_checkpoint_with_step', '_save_best_checkpoint', '_publish_model'):
        monkeypatch.setattr(CheckpointHook, name, getattr(CheckpointHook, name))
    keep_checkpoints_whole()


@pytest.mark.parametrize(('trouble', 'raised'), [
    (OSError(errno.ENOSPC, 'No space left on device'), UserError), (KeyboardInterrupt(), KeyboardInterrupt)])
def test_a_full_disk_and_an_interruption_leave_the_last_checkpoint(tmp_path, whole, monkeypatch, trouble, raised):
    fsync, calls = os.fsync, []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 4:  # two files and their folders an epoch
            raise trouble
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(raised):
        train(tmp_path)
    [kept] = tmp_path.glob('epoch_*.pth')
    assert read_checkpoint(kept) and (tmp_path / 'last_checkpoint').read_text() == str(kept)
    assert not list(tmp_path.glob('.*.tmp'))


def test_published_keys_are_written_under_their_own_hash(tmp_path, whole):
    train(tmp_path, published_keys=['meta', 'state_dict'])
    [file] = tmp_path.glob(f'epoch_{EPOCHS}-*.pth')
    assert sha256_of(file).startswith(file.stem.rpartition('-')[2])
    assert read_checkpoint(file).keys() == {'meta', 'state_dict'}
