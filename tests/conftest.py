"""What every test gets, and which tests run."""
import gc
import hashlib
import logging
import os
from pathlib import Path

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

os.environ.setdefault('MPLBACKEND', 'Agg')
if not torch.cuda.is_available():
    os.environ.setdefault('TRITON_INTERPRET', '1')  # before anything imports Triton
ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--all`` runs the slow tests too, ``--part K/N`` those of one of N parts. Of files that are named all run."""
    parser.addoption('--all', action='store_true', help='run the slow tests, too')
    parser.addoption('--part', metavar='K/N', help='run the K-th of N parts of the slow tests, too')


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips what needs a GPU where there is none, and leaves the slow tests out unless they are asked for."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker('gpu'):
                item.add_marker(pytest.mark.skip(reason='needs a GPU'))
    named = {Path(argument.partition('::')[0]).resolve() for argument in config.args
             if argument.partition('::')[0].endswith('.py')}
    left_out = {item for item in items if item.get_closest_marker('slow') and item.path.resolve() not in named
                and not is_wanted(item.nodeid, config)}
    if left_out and 'slow' not in config.option.markexpr:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def pytest_configure(config: pytest.Config) -> None:
    """Says at once if ``--part`` is no part."""
    part_of(config)


def part_of(config: pytest.Config) -> tuple[int, int] | None:
    """K and N of ``--part K/N``."""
    text = config.getoption('--part', default=None)
    if not text:
        return None
    part, _, parts = text.partition('/')
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise pytest.UsageError(f'--part expects K/N with K from 1 to N, got {text!r}.')
    return int(part), int(parts)


def is_wanted(nodeid: str, config: pytest.Config) -> bool:
    """Whether a slow test is among those that ``--all`` or ``--part`` ask for."""
    part = part_of(config)
    if config.getoption('--all', default=False) or part is None:
        return config.getoption('--all', default=False)
    return int(hashlib.sha256(nodeid.encode()).hexdigest(), 16) % part[1] == part[0] - 1


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


@pytest.fixture(scope='module', autouse=True)
def _little_to_collect():
    """Spares what is there already from the collection of garbage that MMEngine starts for every data set it reads.

    With all packages and tests imported it takes most of a second each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logging_is_on():
    """Lets every test see what is logged: some tools, run in this process, switch it off."""
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def _no_globals_of_mmengine(monkeypatch):
    """Starts every test without the default scope and the visualizers that another one has left.

    A visualizer belongs to the name of a run and the second in which it started, which two quick runs may share.
    """
    for kind in (DefaultScope, *visualizers()):
        monkeypatch.setattr(kind, '_instance_dict', type(kind._instance_dict)())


def visualizers(kind: type[Visualizer] = Visualizer) -> list[type[Visualizer]]:
    """MMEngine's visualizer and all classes of it that were imported; each keeps its own instances."""
    return [kind, *(inner for child in kind.__subclasses__() for inner in visualizers(child))]


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


@pytest.fixture(scope='session')
def fashion_home(tmp_path_factory) -> Path:
    """A working directory with generated pictures in the place of Fashion-MNIST, and a few scenes of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools/dataset_converters')
        import fashion

        from tests.fashion_files import write_fashion
        path = tmp_path_factory.mktemp('fashion_home')
        known = write_fashion(path / 'files')
        settings = fashion.Settings(scenes_train=8, scenes_val=4)
        fashion.convert(path / 'data/fashion', settings, path / 'files', known=known)
    return path
