"""What a wheel and an editable install hold, and how MMEngine finds mmkd's configs."""
import os
import re
import zipfile
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.fileio import load
from mmengine.utils import get_installed_path, is_installed

from .checkouts import ROOT, build, copy_checkout, run_python

WEIGHTS = ROOT / 'mmkd/experiments/demo/weights'
CONFIG = 'slak/slak-tiny_32xb128_in1k.py'

READ_CONFIG = '''
import mmkd
print(mmkd.__file__)
from mmengine.config import Config
config = Config.fromfile('user.py')
assert config.model.type == 'ImageClassifier' and '_scope_' not in config.model, config.model
assert config.lr == 1
'''


@pytest.fixture
def checkout(tmp_path):
    """A clean checkout, in a path with a space."""
    folder = copy_checkout(tmp_path / 'check out')
    (tmp_path / 'user.py').write_text(f"_base_ = 'mmkd::{CONFIG}'\nlr = 1\n")
    return folder


def test_beside_a_clone_of_the_same_name_an_editable_install_is_found(tmp_path):
    """Python started there looks into that folder first: it must not take it for the package."""
    checkout = copy_checkout(tmp_path / 'mmkd')
    build('build_editable', checkout, tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob('mmkd-*.whl'))) as wheel:
        wheel.extractall(tmp_path / 'site')
    code = ('import os, site, sys\n'  # without an mmkd that this environment has
            'sys.path[:] = [path for path in sys.path if not os.path.exists(f"{path}/mmkd/__init__.py")]\n'
            f'site.addsitedir({str(tmp_path / "site")!r}); import mmkd, mmkd_command; print(mmkd.__file__)')
    assert run_python(['-c', code], tmp_path) == str(checkout / 'mmkd' / '__init__.py')


def test_advice_of_a_missing_mmengine_is_that_of_the_readme(tmp_path):
    """Without OpenMMLab `import mmkd` says what to install, and README has the same commands."""
    (tmp_path / 'mmengine.py').write_text('raise ImportError("No module named mmengine")')
    code = 'try:\n    import mmkd\nexcept ImportError as error:\n    print(error)'
    text = run_python(['-c', code], tmp_path, path=f'{tmp_path}{os.pathsep}{ROOT}')
    commands = re.findall(r"pip install \S+ '\S+'", text)
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    assert len(commands) == 2 and 'mmkd expects MMEngine' in text
    assert [command for command in commands if command not in readme] == []


def test_wheel_ships_configs_tools_and_index(checkout, tmp_path):
    build('build_wheel', checkout, tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob('mmkd-*.whl'))) as wheel:
        names = wheel.namelist()
        wheel.extractall(tmp_path / 'site')
        metadata = wheel.read(next(name for name in names if name.endswith('METADATA'))).decode()
    assert {'mmkd/.mim/model-index.yml', f'mmkd/.mim/configs/{CONFIG}', 'mmkd/.mim/tools/dist_train.sh',
            'mmkd/registry.py', 'mmkd/py.typed', 'mmkd_command.py'} <= set(names)
    assert {f'mmkd/experiments/demo/weights/{path.name}' for path in WEIGHTS.iterdir()} <= set(names)
    assert not [name for name in names if name.startswith(('tests', 'configs', 'tools')) or '__pycache__' in name]
    assert 'Operating System :: POSIX :: Linux' in metadata and 'Typing :: Typed' in metadata
    required = [line for line in metadata.splitlines() if line.startswith('Requires-Dist')]
    assert required
    assert all('extra ==' in line for line in required)
    assert Path(run_python(['-c', READ_CONFIG], tmp_path, path=tmp_path / 'site')).is_relative_to(tmp_path / 'site')


@pytest.mark.parametrize(('line', 'want'), [
    ('', []), ("repository-code: 'https://example.org/mmkd/'\n", ['Source, https://example.org/mmkd',
     'Issues, https://example.org/mmkd/issues', 'Changelog, https://example.org/mmkd/blob/main/CHANGELOG.md'])])
def test_addresses_are_those_of_the_citation(checkout, tmp_path, line, want):
    citation = re.sub('^repository-code.*\n', '', (ROOT / 'CITATION.cff').read_text(), flags=re.MULTILINE)
    (checkout / 'CITATION.cff').write_text(citation + line)
    build('prepare_metadata_for_build_wheel', checkout, tmp_path)
    lines = next(tmp_path.rglob('METADATA')).read_text().splitlines()
    assert [text.removeprefix('Project-URL: ') for text in lines if text.startswith('Project-URL')] == want


def test_editable_install_links_to_the_sources(checkout, tmp_path):
    build('build_editable', checkout, tmp_path)
    links = checkout / 'mmkd' / '.mim'
    assert sorted(path.name for path in links.iterdir()) == ['configs', 'model-index.yml', 'tools']
    if hasattr(os, 'symlink') and os.name != 'nt':
        assert (links / 'configs').readlink() == Path('../../configs')
    assert Path(run_python(['-c', READ_CONFIG], tmp_path, path=checkout)).is_relative_to(checkout)


@pytest.mark.parametrize('module', ['mmkd', 'mmdet', 'mmseg', 'mmpretrain'])
def test_config_prefix_leads_to_the_package(module):
    name = MODULE2PACKAGE[module]
    assert is_installed(name)
    assert Path(get_installed_path(name), '__init__.py').is_file()
    assert Path(get_installed_path(name)).name == module


@pytest.mark.skipif(not (ROOT / 'mmkd' / '.mim').is_dir(), reason='mmkd is not installed from this checkout')
def test_hub_reads_mmkd_configs():
    from mmengine.hub import get_config
    assert get_config(f'mmkd::{CONFIG}').model.backbone.type == 'mmkd.SLaK'


def test_other_scopes_are_kept(tmp_path):
    (tmp_path / 'user.py').write_text("_base_ = 'mmpretrain::_base_/models/resnet50.py'\n")
    assert Config.fromfile(tmp_path / 'user.py').model._scope_ == 'mmpretrain'


def test_model_index_names_existing_files():
    for file in load(str(ROOT / 'model-index.yml'))['Import']:
        meta = load(str(ROOT / file))
        collections = {collection['Name'] for collection in meta['Collections']}
        for model in meta['Models']:
            assert (ROOT / model['Config']).is_file()
            assert Path(model['Config']).stem == model['Name'] or 'Converted From' in model
            assert model['In Collection'] in collections


def test_import_is_light(tmp_path):
    code = ('import sys, mmkd; from mmkd.ops.mmcv_fallback import MMCVFallback;'
            'compiled = not isinstance(sys.modules.get("mmcv._ext"), MMCVFallback);'
            'heavy = ["mmdet", "mmseg", "mmpretrain", "timm", *([] if compiled else ["torch", "torchvision"])];'
            'print([name for name in heavy if name in sys.modules])')
    assert run_python(['-c', code], tmp_path, path=ROOT) == '[]'


def test_recipes_load_without_the_frameworks(tmp_path):
    code = ('import sys, mmkd; from mmkd.utils.configs.finding import load_config;'
            f'load_config({CONFIG!r}); load_config("scale_kd/convnext-tiny_swin-large-scalekd_32xb64-300e_in1k.py");'
            'print([name for name in ("torch", "mmpretrain", "mmdet", "mmseg", "timm") if name in sys.modules])')
    if run_python(['-c', 'import sys, mmkd; print("torch" in sys.modules)'], tmp_path, path=ROOT) == 'True':
        pytest.skip("mmcv's compiled ops import torch")
    assert run_python(['-c', code], tmp_path, path=ROOT) == '[]'


def test_lazy_names():
    import mmkd
    with pytest.raises(AttributeError, match='no_such_name'):
        _ = mmkd.no_such_name
    assert callable(mmkd.list_models)
    assert callable(mmkd.get_model)
    assert callable(mmkd.ops.large_kernel_depthwise_conv2d)
