"""Beside any transformers, mmpretrain and mmdet can be imported after mmkd."""
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from mmkd.utils.multimodal import SWITCH, MultimodalFinder, leave_out_broken_multimodal, switch_off_if_broken

ROOT = Path(__file__).parents[2]
CODE = """
import sys
import mmkd
assert 'torch' not in sys.modules and 'transformers' not in sys.modules
import mmpretrain.models, mmpretrain.datasets, mmdet.models
from mmpretrain.utils.dependency import WITH_MULTIMODAL
print('multimodal', WITH_MULTIMODAL)
print('classifier', mmpretrain.models.ImageClassifier.__name__)
"""


def run(code: str, *path: Path) -> subprocess.CompletedProcess:
    environment = dict(PATH='/usr/bin:/bin', OMP_NUM_THREADS='1',
                       PYTHONPATH=os.pathsep.join(map(str, [ROOT, *path, os.environ.get('PYTHONPATH', '')])))
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=environment, cwd='/')


@pytest.fixture
def stand_in(tmp_path) -> Path:
    """A package of that name and of a version to come, of which half is gone."""
    for name, code in {
            '__init__.py': 'class AutoTokenizer: ...\n', 'utils.py': 'def is_torch_available():\n    return True\n',
            'modeling_utils.py': 'class Layer(nn.Identity): ...\n', 'pytorch_utils.py': ''}.items():
        (tmp_path / 'transformers').mkdir(exist_ok=True)
        (tmp_path / 'transformers' / name).write_text(code, encoding='utf-8')
    for name in ('transformers', 'pycocotools'):
        info = tmp_path / f'{name}-9.0.0.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 9.0.0\n', encoding='utf-8')
    return tmp_path


@pytest.mark.slow
def test_beside_one_that_has_dropped_names(stand_in):
    bare = run('import mmpretrain.models', stand_in)
    assert bare.returncode, 'mmpretrain has learned to do without: mmkd.utils.multimodal can go'
    done = run(CODE, stand_in)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'multimodal False\nclassifier ImageClassifier' in done.stdout
    dies = run('import mmkd\ntry:\n    import transformers.modeling_utils\nexcept ImportError as error:\n'
               '    print(error)', stand_in)
    assert "transformers.modeling_utils cannot be imported: name 'nn' is not defined" in dies.stdout


@pytest.mark.slow
@pytest.mark.skipif(find_spec('transformers') is None, reason='transformers is not installed')
def test_beside_the_one_that_is_installed():
    done = run(CODE)
    assert done.returncode == 0, done.stderr[-2000:]
    works_alone = run('import mmpretrain.models').returncode == 0
    assert f'multimodal {works_alone}' in done.stdout


def tree(folder: Path, code: str) -> ModuleType:
    """mmpretrain's switch, with one multimodal file beside it."""
    for inner in ('utils', 'models/multimodal/blip'):
        (folder / inner).mkdir(parents=True)
    (folder / 'models/multimodal/blip/bert.py').write_text(code, encoding='utf-8')
    (folder / 'utils/dependency.py').write_text('', encoding='utf-8')
    module = ModuleType(SWITCH)
    module.__file__, module.WITH_MULTIMODAL = str(folder / 'utils/dependency.py'), True
    return module


@pytest.mark.parametrize(('code', 'stays'), [
    ('from transformers.utils import is_torch_available', True),
    ('from transformers.utils import gone', False),
    ('from transformers.gone import is_torch_available', False),
    ('try:\n    from transformers.utils import gone\nexcept ImportError:\n    gone = None', False),
    ('try:\n    from transformers.utils import logging\nexcept ImportError:\n    from transformers.a import b', True),
    ('def late():\n    from transformers.utils import gone', True),
    ('import os', True),
])
def test_what_is_wanted(code, stays, tmp_path, monkeypatch):
    package, utils = ModuleType('transformers'), ModuleType('transformers.utils')
    package.__path__, utils.is_torch_available, utils.logging = [], lambda: True, None
    monkeypatch.setitem(sys.modules, 'transformers', package)
    monkeypatch.setitem(sys.modules, 'transformers.utils', utils)
    switch = tree(tmp_path / 'mmpretrain', code)
    switch_off_if_broken(switch)
    assert switch.WITH_MULTIMODAL is stays
    utils.is_torch_available = lambda: False  # as beside a PyTorch that is too old for it
    switch_off_if_broken(switch)
    assert switch.WITH_MULTIMODAL is False


def test_once_and_for_one_module_only():
    leave_out_broken_multimodal()
    finders = [finder for finder in sys.meta_path if isinstance(finder, MultimodalFinder)]
    assert len(finders) == 1 and finders[0].find_spec('mmpretrain.models') is None
