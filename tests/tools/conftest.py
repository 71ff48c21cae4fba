"""Running the tools, and a few tiny runs that several tests look at."""
import json
import logging
import os
import runpy
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from mmengine.fileio.backends import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import WEIGHT_INITIALIZERS, DefaultScope
from mmengine.runner import CheckpointLoader

from mmkd.utils.configs.finding import config_root

from ..conftest import visualizers
from ..forked import run_forked

TOOLS = Path(__file__).parents[2] / 'tools'
SLAK = 'quickstart/slak-mini_digits.py'
CONVNEST = 'quickstart/convnest-mini_digits-5shot.py'
EPOCHS = 4
SHRINK = [f'train_cfg.max_epochs={EPOCHS}', 'train_dataloader.batch_size=10']
# The quick start's recipe with a logit term and a feature term, whose connector has parameters of its own.
RECIPE = f"""
_base_ = '{config_root()}/quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    teacher=dict(checkpoint='teacher/epoch_4.pth'),
    terms=dict(fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='stage2',
                       connector=dict(type='mmkd.ConvConnector'))))
train_dataloader = dict(dataset=dict(times=2))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
"""
EMA = """
_base_ = './recipe.py'
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.EMAHook', momentum=0.05, priority='ABOVE_NORMAL')]
"""


def call(script: str, *args: object, cwd: Path) -> int:
    """Runs a tool in this process, as from the command line, and returns its exit status."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        # MMEngine's global objects, as in a new process; each class of visualizers keeps its own.
        for kind in (DefaultScope, MessageHub, MMLogger, *visualizers()):
            patch.setattr(kind, '_instance_dict', OrderedDict())
        patch.setattr(CheckpointLoader, '_schemes', CheckpointLoader._schemes)
        patch.setattr(torch, 'load', torch.load)
        patch.setattr(logging.root.manager, 'disable', logging.root.manager.disable)
        patch.setattr(LocalBackend, 'put', LocalBackend.put)
        for name in ('before_train', '_save_checkpoint_with_step', '_save_best_checkpoint', '_publish_model'):
            patch.setattr(CheckpointHook, name, getattr(CheckpointHook, name))
        patch.setitem(WEIGHT_INITIALIZERS._module_dict, 'Pretrained', WEIGHT_INITIALIZERS.get('Pretrained'))
        patch.chdir(cwd)
        patch.setenv('LOCAL_RANK', '0')
        patch.setattr(sys, 'argv', [script, *map(str, args)])
        try:
            runpy.run_path(str(TOOLS / script), run_name='__main__')
        except SystemExit as exit:
            return exit.code or 0
    return 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps PyTorch to one thread: for networks this small, several mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def environment(**variables: str) -> dict[str, str]:
    """The environment of a tool in a process of its own: one thread, no GPU, so that runs can be compared."""
    path = os.pathsep.join(filter(None, [str(TOOLS.parent), os.environ.get('PYTHONPATH')]))
    return os.environ | dict(PYTHONPATH=path, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='',
                             PYTHON=sys.executable) | variables


def spawn(script: str, *args: object, cwd: Path) -> subprocess.CompletedProcess:
    """Runs a tool in a process of its own."""
    return subprocess.run([sys.executable, str(TOOLS / script), *map(str, args)], cwd=cwd, env=environment(),
                          capture_output=True, text=True)


def fork(script: str, *args: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    """Like :func:`spawn`, without waiting for the imports; each tool has a test that starts it with Python, too."""
    with TemporaryDirectory() as folder:
        return run_forked(TOOLS / script, *args, cwd=cwd, env=environment(**variables), folder=Path(folder))


def accuracies(work_dir: Path) -> dict[int, float]:
    """Epoch to validation accuracy, as a run logged it, however many times it was started."""
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    records = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    return {record['step']: record['accuracy/top1'] for record in records if 'accuracy/top1' in record}


@pytest.fixture(scope='session')
def workplace(home) -> Path:
    """The digits, the recipes recipe.py and ema.py, and a teacher that has seen 20 batches."""
    (home / 'recipe.py').write_text(RECIPE)
    (home / 'ema.py').write_text(EMA)
    assert call('train.py', SLAK, '--work-dir', 'teacher', '--cfg-options', *SHRINK, 'train_cfg.val_interval=4',
                'train_dataloader.dataset.ann_file=meta/train_5_per_class_seed0.txt', cwd=home) == 0
    return home


@pytest.fixture(scope='session')
def plain_run(workplace) -> Path:
    """The student alone, with a learning rate scaled to its batch size."""
    options = ['--work-dir', 'plain', '--auto-scale-lr', '--cfg-options', *SHRINK, 'train_cfg.val_interval=4']
    assert call('train.py', CONVNEST, *options, 'train_dataloader.dataset.times=1', cwd=workplace) == 0
    return workplace / 'plain'


@pytest.fixture(scope='session')
def distilled_run(workplace) -> Path:
    """The student with its teacher."""
    assert call('train.py', 'recipe.py', '--work-dir', 'distilled', '--cfg-options', *SHRINK, cwd=workplace) == 0
    return workplace / 'distilled'


@pytest.fixture(scope='session')
def ema_run(workplace) -> Path:
    """The same with an exponential moving average, in a process of its own."""
    result = fork('train.py', 'ema.py', '--work-dir', 'ema', '--cfg-options', *SHRINK, cwd=workplace)
    assert result.returncode == 0, result.stderr
    return workplace / 'ema'
