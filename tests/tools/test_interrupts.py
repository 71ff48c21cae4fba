"""tools/train.py in processes of its own: a full disk, Ctrl-C, and folders in which nothing can be written."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmkd.utils.checkpoints.reading import read_checkpoint

from ..forked import run_forked
from .conftest import CONVNEST, TOOLS, call, environment

pytestmark = pytest.mark.skipif(os.name != 'posix', reason='limits and signals of POSIX')

# Ten steps an epoch, three epochs; the trouble lies in a module of the user's own and begins in the second.
RECIPE = f"""
_base_ = 'mmkd::{CONVNEST}'
custom_imports = dict(imports=['trouble'])
train_dataloader = dict(batch_size=10, num_workers=2, persistent_workers=True, dataset=dict(times=2))
train_cfg = dict(max_epochs=3, val_interval=9)
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='TroubleHook')]
"""
TROUBLE = '''
import os
import resource
import signal

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

fsync = os.fsync


def interrupt(*_):
    """What a terminal does at Ctrl-C: a signal to the process and its workers."""
    os.killpg(os.getpgid(0), signal.SIGINT)


def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@HOOKS.register_module()
class TroubleHook(Hook):
    """Comes before the hooks that log and save."""
    trouble = os.environ.get('TROUBLE')

    def before_train(self, runner):
        if self.trouble == 'full log':
            with open(runner.logger.handlers[-1].baseFilename) as file:
                limit(len(file.read()) + 20)

    def before_train_epoch(self, runner):
        if runner.epoch == 1 and self.trouble == 'interrupted in a step':
            self.step = 14
        if runner.epoch == 1 and self.trouble == 'interrupted at the start of an epoch':
            interrupt()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == getattr(self, 'step', None):
            interrupt()

    def after_train_epoch(self, runner):
        if runner.epoch == 1 and self.trouble == 'full disk':
            limit(1_000_000)
        if runner.epoch == 1 and self.trouble == 'interrupted while saving':
            os.fsync = interrupt
'''


@pytest.fixture(scope='module')
def place(home) -> Path:
    (home / 'trouble.py').write_text(TROUBLE)
    (home / 'troubled.py').write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(home)
        yield home


@pytest.fixture(scope='module')
def whole(place) -> dict:
    """The last checkpoint of a run without trouble."""
    assert call('train.py', 'troubled.py', '--work-dir', 'whole', cwd=place) == 0
    return read_checkpoint(place / 'whole/epoch_3.pth')


def train(place: Path, trouble: str, before: str = '', after: str = '',
          forked: bool = False) -> subprocess.CompletedProcess:
    """Trains in a session of its own, so that Ctrl-C does not reach the tests; a run that hangs fails.

    Args:
        place: Where the recipe is.
        trouble: What is to happen; also the work dir.
        before: Shell commands that go before, in a view of the file systems that ends with the process.
        after: Shell commands that follow.
        forked: Whether to start without waiting for the imports.
    """
    command = [sys.executable, TOOLS / 'train.py', 'troubled.py', '--work-dir', trouble]
    if before:
        script = f'{before}; "$@" || status=$?; {after} exit $status'
        command = ['unshare', '--mount', 'sh', '-ec', script, 'sh', *command]
    variables = environment(TROUBLE=trouble, PYTHONPATH=os.pathsep.join([str(TOOLS.parent), str(place)]))
    if forked:
        return run_forked(*command[1:], cwd=place, env=variables, folder=place)
    return subprocess.run(list(map(str, command)), cwd=place, env=variables, capture_output=True, text=True,
                          timeout=240, start_new_session=True)


def assert_goes_on(place: Path, trouble: str, whole: dict) -> None:
    """The checkpoint of the first epoch is whole, nothing half is left, and a resumed run ends like one untroubled."""
    work = place / trouble
    assert [path.name for path in work.glob('*.pth')] == ['epoch_1.pth'] and not list(work.glob('.*'))
    assert read_checkpoint(work / 'epoch_1.pth')['meta']['epoch'] == 1
    assert Path(place, (work / 'last_checkpoint').read_text()) == work / 'epoch_1.pth'
    assert call('train.py', 'troubled.py', '--work-dir', trouble, '--resume', cwd=place) == 0
    resumed = read_checkpoint(work / 'epoch_3.pth')['state_dict']
    assert all(torch.equal(value, resumed[name]) for name, value in whole['state_dict'].items())


def own_lines(stderr: str) -> list[str]:
    """Without the warnings of libraries at their import."""
    return [line for line in stderr.splitlines() if not any(
        words in line for words in ('arn', 'Could not import', 'from torch.distributed.optim import'))]


def test_full_disk_while_a_checkpoint_is_saved(place, whole):
    run = train(place, 'full disk', forked=True)
    assert run.returncode == 2
    [line] = own_lines(run.stderr)
    assert line.startswith(f'error: cannot write {place / "full disk/epoch_2.pth"}: File too large. Make room')
    assert_goes_on(place, 'full disk', whole)


@pytest.mark.slow
def test_full_disk_while_the_log_is_written(place):
    run = train(place, 'full log')
    assert run.returncode == 2
    [line] = own_lines(run.stderr)
    assert line.startswith('error: ') and '.log cannot be used: File too large. Allow larger files' in line


needs_mounts = pytest.mark.skipif(
    not shutil.which('unshare') or subprocess.run(['unshare', '--mount', 'true'], capture_output=True).returncode != 0,
    reason='no file system can be mounted here')


@needs_mounts
@pytest.mark.slow
def test_a_disk_with_room_for_one_checkpoint(place, whole):
    """The next one is written beside it: 2.6 MB each, on a disk of 4."""
    (place / 'disk').mkdir()
    run = train(place, 'small disk', 'mkdir "small disk"; mount -t tmpfs -o size=4M none "small disk"',
                'cp -a "small disk"/. disk;')
    assert run.returncode == 2
    [line] = own_lines(run.stderr)
    assert line.startswith(f'error: cannot write {place / "small disk/epoch_2.pth"}: No space left on device.')
    (place / 'small disk').rmdir()
    (place / 'disk').rename(place / 'small disk')
    assert_goes_on(place, 'small disk', whole)


@needs_mounts
@pytest.mark.slow
def test_a_file_system_that_may_only_be_read(place):
    run = train(place, 'read', 'mkdir read; mount -t tmpfs -o ro none read')
    assert run.returncode == 2
    [line] = own_lines(run.stderr)
    assert line.startswith('error: ') and line.endswith(
        'cannot be used: Read-only file system. Change its permissions, or name a place where you may write '
        '(--work-dir or --out).')


@pytest.mark.parametrize('trouble', [
    'interrupted in a step', 'interrupted while saving',
    pytest.param('interrupted at the start of an epoch', marks=pytest.mark.slow)])
def test_ctrl_c(place, whole, trouble):
    run = train(place, trouble, forked=trouble != 'interrupted in a step')
    assert run.returncode == 130
    assert own_lines(run.stderr) == ['interrupted']
    assert_goes_on(place, trouble, whole)


@pytest.mark.parametrize('folder', ['/proc/nothing', '/sys/nothing', '/dev/null/nothing'])
def test_folders_that_nobody_can_make(place, capsys, folder):
    if not Path(folder).parent.exists():
        pytest.skip(f'there is no {Path(folder).parent} here')
    assert call('train.py', 'troubled.py', '--work-dir', folder, cwd=place) == 2
    out, err = capsys.readouterr()
    assert 'Traceback' not in out + err
    [line] = [line for line in err.splitlines() if line.startswith('error: ')]
    assert folder in line


def test_a_folder_that_may_only_be_read(place, capsys):
    folder = place / 'read only'
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        pytest.skip('root may write anywhere')
    assert call('train.py', 'troubled.py', '--work-dir', folder, cwd=place) == 2
    assert 'Change its permissions' in capsys.readouterr().err.splitlines()[-1]
