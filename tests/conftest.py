"""What every test gets."""
import os
from pathlib import Path

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import pytest
import torch
from mmengine.registry import DefaultScope

os.environ.setdefault('MPLBACKEND', 'Agg')
if not torch.cuda.is_available():
    os.environ.setdefault('TRITON_INTERPRET', '1')  # before anything imports Triton
ROOT = Path(__file__).parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Gives workers a file at a time, but the families' trainings, which take minutes together, one by one."""
    if config.getvalue('dist') != 'loadfile':
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            scope = super()._split_scope(nodeid)
            return nodeid if scope.endswith('test_families.py') else scope

    return Scheduling(config, log)


@pytest.fixture(scope='session', autouse=True)
def _torch_threads():
    """Uses the cores that this process may use, and not all that the machine has; workers share them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    torch.set_num_threads(max(1, min(cores, 8) // int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', 1))))


@pytest.fixture(autouse=True)
def _no_default_scope(monkeypatch):
    """Starts every test without MMEngine's default scope, whichever another one has left."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', type(DefaultScope._instance_dict)())


@pytest.fixture(scope='session')
def home(tmp_path_factory) -> Path:
    """A working directory with the digits, and a few scenes of them, where the configs look for them."""
    pytest.importorskip('sklearn')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools/dataset_converters')
        import digits
        path = tmp_path_factory.mktemp('home')
        digits.convert(path / 'data/digits', digits.Settings(scenes_train=8, scenes_val=4))
    return path
