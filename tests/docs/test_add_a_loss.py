"""The tutorial's files and commands, run in a copy of the repository."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from mmkd.utils.configs.finding import load_config
from tests.docs.pages import commands

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'docs/add_a_loss.md').read_text(encoding='utf-8')


@pytest.fixture(scope='module')
def copied(tmp_path_factory, home) -> Path:
    """A copy of the repository with the tutorial's files in it."""
    copy = tmp_path_factory.mktemp('tutorial')
    for folder in ('mmkd', 'configs', 'tools', 'tests'):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    shutil.copy(ROOT / 'pyproject.toml', copy)
    (copy / 'data').symlink_to(home / 'data')
    config = load_config('quickstart/slak-mini_digits.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        teacher = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    torch.save(dict(state_dict=teacher.state_dict()), copy / 'teacher.pth')  # with random weights
    for path, code in re.findall(r'<!-- file: (\S+) -->\n```python\n(.*?)```', TEXT, re.DOTALL):
        assert not (copy / path).exists()
        (copy / path).write_text(code, encoding='utf-8')
    return copy


def run(copy: Path, *words: str) -> str:
    environment = dict(PYTHONPATH=str(copy), PATH='/usr/bin:/bin', OMP_NUM_THREADS='1', MPLBACKEND='Agg')
    result = subprocess.run([sys.executable, *words], cwd=copy, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    return result.stdout


@pytest.mark.slow
def test_the_commands(copied):
    pytest_command, taps_command, train_command, compare_command = commands('add_a_loss.md')
    assert '3 passed' in run(copied, *pytest_command)
    assert 'MarginLoss' in run(copied, *taps_command)
    short = ['train_cfg.max_epochs=2', 'train_cfg.val_interval=2', 'train_dataloader.dataset.times=1',
             'val_dataloader.dataset.indices=32']
    layout = run(copied, '-m', 'pytest', '-q', 'tests/test_layout.py')
    assert ' passed' in layout and 'failed' not in layout  # no list of the tests names all losses
    table = run(copied, *compare_command, '--teacher-checkpoint', 'teacher.pth', '--teacher-top1', '50',
                '--seeds', '1', '--seed-options', 'randomness.seed={seed}', '--work-dir', 'compared',
                '--cfg-options', *short)
    assert '| margin |' in table and (copied / 'compared/comparison.png').stat().st_size > 5000
    run(copied, *train_command, '--cfg-options', 'model.teacher.checkpoint=teacher.pth', *short)
    log = next((copied / 'work_dirs/margin').glob('*/*.log')).read_text(encoding='utf-8')
    assert 'loss_margin' in log and 'loss_nkd' in log


@pytest.mark.slow
def test_a_module_outside_the_clone(tmp_path):
    """The loss as the page rewrites it, in a folder that holds nothing else."""
    code = re.search(r'<!-- file: mmkd/losses/logit/margin.py -->\n```python\n(.*?)```', TEXT, re.DOTALL)[1]
    (tmp_path / 'my_loss.py').write_text(code.replace('from ..checks import', 'from mmkd.losses.checks import'))
    (tmp_path / 'my_recipe.py').write_text(
        re.search(r"```python\n(_base_ = 'mmkd::[^`]*custom_imports[^`]*)```", TEXT)[1])
    environment = dict(PYTHONPATH=f'.{os.pathsep}{ROOT}', PATH='/usr/bin:/bin', OMP_NUM_THREADS='1')
    printed = subprocess.run([sys.executable, ROOT / 'tools/analysis_tools/show_taps.py', 'my_recipe.py'], cwd=tmp_path,
                             env=environment, capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr[-2000:]
    assert 'MarginLoss' in printed.stdout


@pytest.mark.slow
def test_the_cheap_teacher(copied):
    """Its data are there; it trains for two epochs, and the tutorial's recipe takes it."""
    digits, teacher, train = commands('add_a_loss.md', 'cheap')
    assert digits == ['tools/dataset_converters/digits.py'] and (copied / 'data/digits/digits.json').is_file()
    run(copied, *teacher, 'train_dataloader.dataset.indices=64', 'val_dataloader.dataset.indices=32')
    run(copied, *train, 'train_cfg.max_epochs=2', 'train_cfg.val_interval=2', 'train_dataloader.dataset.times=1',
        'val_dataloader.dataset.indices=32', '--work-dir', 'cheap')
    assert (copied / 'cheap/epoch_2.pth').is_file()
