"""What the pages on adding things write, in a copy of the repository: their tests, configs and commands."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, commands, write_files

PAGES = ['add_a_feature_loss.md', 'add_a_connector.md', 'add_a_hook.md', 'add_a_backbone.md']


@pytest.fixture(scope='module')
def copied(tmp_path_factory) -> Path:
    """A copy of the repository with the files of all pages in it."""
    copy = tmp_path_factory.mktemp('extended')
    for folder in ('mmkd', 'configs', 'tools', 'tests'):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    shutil.copy(ROOT / 'pyproject.toml', copy)
    for page in PAGES:
        assert len(write_files(page, copy)) >= 3
    return copy


def run(copy: Path, *words: str) -> str:
    environment = os.environ | dict(PYTHONPATH=str(copy), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    result = subprocess.run([sys.executable, *words], cwd=copy, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    return result.stdout


def test_their_tests_pass(copied):
    files = [path for page in PAGES for command in commands(page) for path in command if path.startswith('tests/')]
    own = [path for path in files if not (ROOT / path).exists()]
    assert len(own) == len(PAGES)
    own.append(commands('add_a_hook.md', 'entropy')[0][-1])
    assert '13 passed' in run(copied, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *own)


@pytest.mark.slow
def test_the_house_rules_hold_for_them(copied):
    printed = run(copied, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'tests/test_layout.py')
    assert ' passed' in printed and 'failed' not in printed


@pytest.mark.slow
@pytest.mark.parametrize('page', PAGES)
def test_the_other_commands(copied, page):
    for command in commands(page):
        if command[0] != 'tools/train.py':  # needs data and a teacher; see below
            assert run(copied, *command)


@pytest.mark.slow
def test_the_hook_trains(copied, home):
    (train,) = [command for command in commands('add_a_hook.md') if command[0] == 'tools/train.py']
    with_entropy = commands('add_a_hook.md', 'entropy')[1]
    (copied / 'data').symlink_to(home / 'data')
    short = ['train_cfg.max_epochs=2', 'train_cfg.val_interval=2', 'train_dataloader.dataset.times=1',
             'train_dataloader.batch_size=25', 'val_dataloader.dataset.indices=32',
             'test_dataloader.dataset.indices=32']
    run(copied, 'tools/train.py', 'configs/quickstart/slak-mini_digits.py', '--work-dir',
        'work_dirs/quickstart/teacher', '--cfg-options', *short[:2], 'train_dataloader.dataset.indices=64', *short[4:])
    short.append('model.teacher.checkpoint=work_dirs/quickstart/teacher/epoch_2.pth')
    run(copied, *train, '--cfg-options', *short)
    log = next((copied / 'work_dirs/kd_falling').glob('*/*.log')).read_text(encoding='utf-8')
    assert 'loss_kd' in log and 'TemperatureHook' in log
    run(copied, *with_entropy, *short, 'default_hooks.logger.interval=1')
    log = next((copied / 'work_dirs/kd').glob('*/*.log')).read_text(encoding='utf-8')
    assert 'entropy/student: ' in log and 'entropy/teacher: ' in log and 'EpochSeedHook' in log
