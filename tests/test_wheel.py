"""The built wheel in a clean environment: the model zoo, data, training and testing, ``mim``, no checkout anywhere."""
import functools
import importlib.util
import json
import os
import sys
import threading
import venv
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from .checkouts import build, copy_checkout, run_python

STUDENT, RECIPE = 'convnest-mini_digits-5shot', 'convnest-mini_slak-mini-nkd_digits-5shot'
PUBLISHED = 'convnext-tiny_in1k'  # its URL and metafile name no hash: any content will do
SHORT = ['train_cfg.max_epochs=2', 'train_dataloader.dataset.times=1', 'val_dataloader.dataset.indices=20']
needs_mim = pytest.mark.skipif(importlib.util.find_spec('mim') is None, reason='openmim, of the lock files, is missing')

pytestmark = pytest.mark.slow

PLAN = '''
import json, sys
sys.path.insert(0, sys.argv[1])
import quickstart, quickstart_plan
args = quickstart.parse_args([])
jobs = quickstart_plan.Plan(quickstart_plan.Settings(args.work_dir)).jobs
print(json.dumps([str(quickstart.working_root(quickstart.ROOT)), str(args.work_dir),
                  *sorted({job.arguments[1] for job in jobs.values()})]))
'''


class CleanEnvironment:
    """A virtual environment that holds mmkd's wheel, and sees the packages of the one that runs the tests."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        venv.create(folder / 'venv', symlinks=os.name != 'nt')
        self.home = folder / 'home'
        self.home.mkdir()
        self.python = folder / 'venv' / ('Scripts' if os.name == 'nt' else 'bin') / 'python'
        self.site = Path(self.run('-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'))
        # As lines of a .pth file, other folders' own .pth files do not count: an editable mmkd there is not seen.
        others = [path for path in sys.path if Path(path).name in ('site-packages', 'dist-packages')]
        (self.site / 'others.pth').write_text('\n'.join(others))
        self.run('-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index', '--ignore-installed', str(wheel))
        self.mim = self.site / 'mmkd/.mim'

    def run(self, *arguments: str, **variables: str) -> str:
        """Runs its Python in an empty folder."""
        variables = dict(OMP_NUM_THREADS='1', MMKD_HOME=str(self.home / 'cache'), NO_PROXY='127.0.0.1') | variables
        return run_python(list(arguments), self.home, self.python, **variables)

    def tool(self, name: str, *arguments: str) -> str:
        """Runs a tool of the wheel."""
        return self.run(str(self.mim / 'tools' / name), *arguments)


@pytest.fixture(scope='module')
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp('clean environment')
    build('build_wheel', copy_checkout(folder / 'checkout'), folder)
    return CleanEnvironment(folder, next(folder.glob('mmkd-*.whl')))


@pytest.fixture(scope='module')
def trained(clean):
    """Makes the digits and trains the quick start's student for a few steps, as ``mim train`` does."""
    clean.tool('dataset_converters/digits.py', '--scenes-train', '2', '--scenes-val', '1')
    config = clean.mim / f'configs/quickstart/{STUDENT}.py'
    clean.tool('train.py', str(config), '--launcher', 'none', '--work-dir', 'trained', '--cfg-options', *SHORT)
    return clean.home / 'trained/epoch_2.pth'


@pytest.fixture
def server(tmp_path):
    """A server of small files on this machine, and the folder that it serves."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{httpd.server_port}', tmp_path
        httpd.shutdown()


def url_of(clean, name):
    """Where the index says that a model's weights are."""
    return json.loads(clean.run('-c', f'import json; from mmkd.zoo import model_index; '
                                f'print(json.dumps(model_index()[{name!r}]))'))['Weights']


def test_the_package_is_the_wheels(clean):
    assert Path(clean.run('-c', 'import mmkd; print(mmkd.__file__)')) == clean.site / 'mmkd/__init__.py'


def test_the_command(clean):
    """Its console script: the version, a tool of the wheel, completion of the wheel's configs."""
    def mmkd(*words: str) -> str:
        return clean.run(str(clean.python.with_name('mmkd')), *words)

    assert mmkd('--version').startswith('mmkd ') and STUDENT in mmkd('zoo', 'list', 'convnest-*')
    assert mmkd('digits', '--help').startswith('usage: mmkd digits')
    assert str(clean.mim / 'configs') in mmkd('completion', 'bash')


def test_the_demo(clean):
    """Its weights came along, and it runs in an empty folder, without a network."""
    files = {path.name for path in (clean.site / 'mmkd/experiments/demo/weights').iterdir()}
    assert len(files) == 3 and sum(name.endswith('.safetensors') for name in files) == 2
    output = clean.run(str(clean.python.with_name('mmkd')), 'demo', '--seconds', '1', '--out', 'demo',
                       HTTPS_PROXY='http://127.0.0.1:9', HTTP_PROXY='http://127.0.0.1:9', CUDA_VISIBLE_DEVICES='')
    assert 'gain by distillation' in output and (clean.home / 'demo/demo.png').is_file()


def test_zoo(clean):
    assert STUDENT in clean.run('-m', 'mmkd.zoo', 'list')
    assert f'configs/quickstart/{STUDENT}.py' in clean.run('-m', 'mmkd.zoo', 'info', STUDENT)


def test_zoo_downloads_through_a_mirror(clean, server):
    address, folder = server
    host, file = url_of(clean, PUBLISHED).rsplit('/', 1)
    torch.save(dict(model=dict(weight=torch.ones(1))), folder / file)  # what is no checkpoint does not stay
    output = clean.run('-m', 'mmkd.zoo', 'download', PUBLISHED, MMKD_MIRRORS=f'{host}/={address}/')
    path = Path(output.removeprefix(f'{PUBLISHED}: '))
    assert path.is_relative_to(clean.home / 'cache') and path.read_bytes() == (folder / file).read_bytes()


def test_train_and_test(clean, trained):
    assert trained.is_file()
    clean.tool('test.py', f'mmkd::quickstart/{STUDENT}.py', str(trained), '--launcher', 'none', '--work-dir', 'tested',
               '--out', 'metrics.json', '--cfg-options', 'test_dataloader.dataset.indices=20')
    assert 0 <= json.loads((clean.home / 'metrics.json').read_text())['accuracy/top1'] <= 100


def test_quick_start_leaves_the_package_alone(clean, trained):
    home, work_dir, *tools = json.loads(clean.run('-c', PLAN, str(clean.mim / 'tools')))
    assert (Path(home), work_dir) == (clean.home, 'work_dirs/quickstart')
    assert len(tools) == 4 and all(Path(tool).is_relative_to(clean.mim) and Path(tool).is_file() for tool in tools)
    assert sorted(path.name for path in clean.mim.iterdir()) == ['configs', 'model-index.yml', 'tools']


@needs_mim
def test_mim_trains_and_tests(clean, trained):
    output = clean.run('-m', 'mim', 'train', 'mmkd', f'{RECIPE}.py', '--work-dir', 'distilled', '--cfg-options', *SHORT,
                       'model.teacher.checkpoint=None')
    assert str(clean.mim / f'configs/quickstart/{RECIPE}.py') in output
    assert (clean.home / 'distilled/epoch_2.pth').is_file()
    output = clean.run('-m', 'mim', 'test', 'mmkd', f'{STUDENT}.py', '--checkpoint', str(trained), '--cfg-options',
                       'test_dataloader.dataset.indices=20')
    assert 'Testing finished successfully' in output


@needs_mim
def test_mim_searches(clean):
    clean.run('-m', 'mim', 'search', 'mmkd', '--json', 'found.json')
    found = json.loads((clean.home / 'found.json').read_text())
    assert found['config'][STUDENT] == f'configs/quickstart/{STUDENT}.py'
    assert found['weight'][PUBLISHED] == url_of(clean, PUBLISHED)


@needs_mim
def test_mim_downloads(clean, server):
    address, folder = server
    host, file = url_of(clean, PUBLISHED).rsplit('/', 1)
    (folder / file).write_bytes(b'weights')
    for metafile in clean.mim.rglob('metafile.yml'):
        metafile.write_text(metafile.read_text(encoding='utf-8').replace(f'{host}/', f'{address}/'), encoding='utf-8')
    clean.run('-m', 'mim', 'download', 'mmkd', '--config', PUBLISHED, '--dest', 'downloads')
    assert (clean.home / 'downloads' / file).read_bytes() == b'weights'
    assert "type='ConvNeXt'" in (clean.home / f'downloads/{PUBLISHED}.py').read_text()
