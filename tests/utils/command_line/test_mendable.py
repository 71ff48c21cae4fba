"""Which errors a user can mend: told by where they come from."""
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from mmkd.utils import UserError
from mmkd.utils.command_line import mendable
from mmkd.utils.command_line.mendable import explain


def caught(function, *args, **kwargs) -> BaseException:
    with pytest.raises(BaseException) as info:
        function(*args, **kwargs)
    return info.value


@pytest.mark.parametrize(('number', 'message'), [
    (errno.ENOSPC, 'a/b cannot be used: No space left on device. Free space on the disk'),
    (errno.EDQUOT, 'Free space in your quota'), (errno.EROFS, 'Change its permissions, or name a place'),
    (errno.EACCES, 'a/b cannot be used: Permission denied.'), (errno.ENOTDIR, 'Check the path'),
    (errno.EIO, 'Check the path')])
def test_what_the_system_says_of_a_file(number, message):
    assert message in explain(OSError(number, os.strerror(number), 'a/b'))


def test_a_disk_without_a_name():
    assert explain(OSError(errno.EFBIG, 'File too large')).startswith('a file cannot be used: File too large. Allow')


def test_a_batch_norm_that_gets_one_value():
    message = explain(caught(torch.nn.BatchNorm2d(2), torch.rand(1, 2, 1, 1)))
    assert message.startswith('a batch norm cannot train: Expected more than 1 value') and 'drop_last' in message


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / 'file').touch()
    assert 'file' in explain(caught(os.makedirs, tmp_path / 'file/folder'))


def test_a_file_that_timm_does_not_find(tmp_path, caplog):
    message = explain(caught(timm.create_model, 'resnet10t', pretrained=True,
                             pretrained_cfg_overlay=dict(file=str(tmp_path / 'none.pth'))))
    assert 'FileNotFoundError: no message, but what is printed above' in message and 'timm' in message
    assert f"No checkpoint found at '{tmp_path}/none.pth'" in caplog.text


def test_torchs_writer_of_archives(tmp_path):
    error = caught(torch.save, dict(a=torch.ones(1)), tmp_path / 'none/a.pth')
    assert 'a checkpoint cannot be written' in explain(error)


def test_memory():
    assert 'not enough memory' in explain(caught(torch.empty, 2 ** 60, dtype=torch.uint8))
    assert 'not enough memory' in explain(MemoryError())


def test_a_package_that_is_missing_and_one_of_ours():
    assert 'package nothing_such is needed' in explain(caught(__import__, 'nothing_such'))
    assert explain(caught(__import__, 'mmkd.nothing_such')) is None


def test_mmengines_code_working_on_a_config(tmp_path):
    cfg = dict(model=dict(type='mmpretrain.TimmClassifier', model_name='resnet10t'), work_dir=str(tmp_path / 'w'),
               train_cfg=3)
    assert explain(caught(Runner.from_cfg, Config(cfg))).startswith('ValueError: ')


def test_a_misspelt_argument_has_its_nearest():
    from mmengine.registry import HOOKS
    message = explain(caught(HOOKS.build, dict(type='LoggerHook', intervall=3)))
    assert 'LoggerHook cannot be built from its config' in message and 'Did you mean interval' in message


@pytest.mark.parametrize('kind', [KeyError, ValueError, TypeError, AttributeError, RuntimeError, IndexError])
def test_code_of_ours_and_of_the_users_keeps_its_traceback(kind, tmp_path, monkeypatch):
    """A fault in mmkd's own code, also where a library's function raises it for a wrong argument from there."""
    def wrong(*_: object) -> None:
        raise kind('a bug')

    assert explain(caught(wrong)) is None
    module = tmp_path / 'mmkd' / 'fault.py'
    module.parent.mkdir()
    module.write_text('import torch\ndef fault():\n    torch.nn.functional.cross_entropy(None, None)\n')
    scope: dict = {}
    exec(compile(module.read_text(), str(module), 'exec'), scope)
    monkeypatch.setattr(mendable, 'OURS', module.parent)
    assert explain(caught(scope['fault'])) is None


def test_our_class_built_by_mmengine_keeps_its_traceback(monkeypatch):
    from mmengine.registry import MODELS

    from mmkd.backbones import ConvNeSt
    from mmkd.utils.building import signatures
    monkeypatch.setattr(signatures, 'accepted', signatures.accepted.__wrapped__)  # remembers nothing of what follows
    monkeypatch.setattr(ConvNeSt.__mro__[1], '__init__', None)
    assert explain(caught(MODELS.build, dict(type='mmkd.ConvNeSt', arch='atto'))) is None


class Broken(Dataset):
    """Says what is wrong with a file, in a worker."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        raise self.error


def test_a_worker_of_a_data_loader():
    error = caught(list, DataLoader(Broken(UserError('image a.png is broken. Replace it.')), num_workers=1))
    assert explain(error) == 'image a.png is broken. Replace it.'
    assert explain(caught(list, DataLoader(Broken(ValueError('a bug')), num_workers=1))) is None


RANK = """
import os, sys, time
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import one_line_errors

@one_line_errors
def main():
    case, rank = sys.argv[1], os.environ['RANK']
    if case == 'user':
        raise UserError('expects A, got B.')
    if case == 'one' and rank == '1':
        raise UserError('expects A, got B.')
    if case == 'bug':
        raise KeyError('bug')
    if case == 'killed' and rank == '1':
        os.kill(os.getpid(), 9)
    if case in ('one', 'killed'):
        time.sleep(60)

sys.exit(main())
"""


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_several_processes_speak_once(tmp_path):
    (tmp_path / 'rank.py').write_text(RANK)
    expected = dict(user=(2, 'error: expects A, got B.\n'), one=(2, 'error: expects A, got B.\n'),
                    bug=(1, "KeyError: 'bug'\n"), killed=(137, 'process 1 was ended by SIGKILL. Often'))
    root = Path(__file__).parents[3]
    for case, (status, message) in expected.items():
        done = subprocess.run(
            [sys.executable, '-m', 'mmkd.utils.processes.torchrun', '--standalone', '--nproc_per_node=2', 'rank.py',
             case],
            cwd=tmp_path, env=os.environ | dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1'), capture_output=True,
            text=True, timeout=60)
        assert done.returncode == status, done.stderr
        assert message in done.stderr and done.stderr.count(message) == 1
        assert done.stderr.count('Traceback') == (case == 'bug') and len(done.stderr.splitlines()) < 15
