"""Files of data that are read as configs run no code."""
import json
import sys

import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import Runner

from mmkd.utils import UserError
from mmkd.utils.configs.finding import config_root, load_config
from mmkd.utils.configs.harmless import PACKAGES, check_runs_no_code
from mmkd.utils.trust import set_trust

RECIPE = 'fashion/methods/kd.py'
RUN = {'type': 'subprocess.run', 'args': ['touch', 'pwned']}
TEXT = "[dict(type='subprocess.run', args=['touch', 'pwned'])]"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder from which modules are imported, with a program that leaves a mark."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ('evil', 'evilhooks'):
        (tmp_path / f'{name}.py').write_text("import pathlib\npathlib.Path('pwned').touch()\n")
    (tmp_path / 'scope').mkdir()
    for name in ('__init__', 'registry'):
        (tmp_path / f'scope/{name}.py').write_text("import pathlib\npathlib.Path('pwned').touch()\n")
    yield tmp_path
    assert not (tmp_path / 'pwned').exists()
    assert not {'evil', 'evilhooks', 'scope'} & sys.modules.keys()


# What a file says, and the entry that the error names.
EVIL = {
    'a hook': ({'custom_hooks': [RUN]}, 'custom_hooks.0.type'),
    'deep in the model': ({'model': {'terms': {'kd': {'connector': RUN}}}}, 'model.terms.kd.connector.type'),
    'a dotted key': ({'model': {'student': {'options': {'head.type': 'os.system'}}}}, 'options.head.type'),
    'a key of a grid': ({'kd': {'custom_hooks.0.type': ['subprocess.run']}}, 'kd.custom_hooks.0.type'),
    'a list of types': ({'model': {'type': ['os.system']}}, 'model.type.0'),
    'in place of a base': ({'model': {'_delete_': True, **RUN}}, 'model.type'),
    'an attribute of a package': ({'custom_hooks': [{'type': 'mmengine.dump'}]}, 'custom_hooks.0.type'),
    'a module of a package': ({'custom_hooks': [{'type': 'mmkd.zoo.download.fetch'}]}, 'custom_hooks.0.type'),
    'a class that is not registered': ({'model': {'type': 'torch.nn.Linear'}}, 'model.type'),
    'a module': ({'custom_hooks': [{'type': 'evil'}]}, 'custom_hooks.0.type'),
    'a scope': ({'model': {'type': 'scope.Thing'}}, 'model.type'),
    'a scope beside': ({'model': {'type': 'Thing', '_scope_': 'scope'}}, 'model._scope_'),
    'the scope of all': ({'default_scope': 'scope'}, 'default_scope'),
    'a constructor': ({'optim_wrapper': {'constructor': 'os.system'}}, 'optim_wrapper.constructor'),
    'the type of an average': ({'custom_hooks': [{'type': 'EMAHook', 'ema_type': 'os.system'}]}, '0.ema_type'),
    'an expression': ({'test_cfg': {'nms': {'type': "exec(chr(112))"}}}, 'test_cfg.nms.type'),
    'a number format': ({'pipeline': [{'dtype': "float and exit(3)"}]}, 'pipeline.0.dtype'),
    'modules': ({'custom_imports': {'imports': ['evilhooks']}}, 'no custom_imports'),
    'modules, dotted': ({'kd': {'custom_imports.imports': [['evilhooks']]}}, 'no custom_imports'),
    'a teacher': ({'model': {'teacher': 'evil.py'}}, 'model.teacher'),
    'a teacher, with a slash': ({'model': {'teacher': 'evil.py/'}}, 'model.teacher'),
    'a student': ({'model': {'student': {'config': './evil.py'}}}, 'model.student.config'),
    'out of a package': ({'model': {'teacher': f'mmkd::{"../" * 40}tmp/evil.py'}}, 'model.teacher'),
    'another package': ({'model': {'teacher': 'scope::evil.py'}}, 'model.teacher'),
    'code of the hub': ({'model': {'trust_remote_code': True}}, 'model.trust_remote_code'),
    'a compiler': ({'compile': {'options': {'cpp.cxx': ['evil']}}}, 'no options of compile'),
    'a text that a command reads': ({'kd': {'custom_hooks': [TEXT]}}, 'kd.custom_hooks.0.0.type'),
    'a quoted text': ({'kd': {'model.teacher': ["'evil.py'"]}}, 'kd.model.teacher.0'),
    'an option in place of a key': ({'kd': {'--trust-checkpoint': [1]}}, 'keys such as'),
    'a value in place of a key': ({'kd': {f'custom_hooks={TEXT}#': [1]}}, 'keys such as'),
}


@pytest.mark.parametrize('case', EVIL)
@pytest.mark.parametrize('suffix', ['yml', 'yaml', 'json'])
def test_a_config_of_data_is_refused(place, case, suffix):
    values, entry = EVIL[case]
    with pytest.raises(UserError, match='^a file expects .*could run code, so it was refused') as error:
        check_runs_no_code(values, 'a file')
    assert entry in str(error.value) and '\n' not in str(error.value)
    file = place / f'config.{suffix}'
    file.write_text(json.dumps(values))  # YAML too
    with pytest.raises(UserError, match=f'config.{suffix} cannot be read: config.{suffix} expects ') as error:
        load_config(file)
    assert entry in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('text', [
    '_base_: evil.py', '_base_: ./evil.py/', '_base_: [deep.yml]', '_base_: scope::x/evil.py',
    'custom_hooks: [{"{{$NOWHERE:type}}": subprocess.run}]',
    'custom_hooks: [{type: "{{$NOWHERE:subprocess.run}}"}]',
    '_base_: harmless.yml\ncustom_hooks: [{type: {{ _base_.word }}}]',
    '_base_: harmless.yml\ncustom_hooks:\n- type: {{_base_.word}}',
])
def test_what_is_filled_in_or_inherited_is_looked_at(place, text):
    (place / 'deep.yml').write_text('_base_: evil.py')
    (place / 'harmless.yml').write_text('word: subprocess.run')
    (place / 'config.yml').write_text(text)
    (place / 'inherits.py').write_text("_base_ = './config.yml'")
    for name in ('config.yml', 'inherits.py'):
        with pytest.raises(UserError, match=f'{name} cannot be read: '):
            load_config(name)
        with pytest.raises((ValueError, AssertionError)):
            Config.fromfile(name, import_custom_modules=False)


def test_an_entry_that_holds_itself(place):
    (place / 'config.yml').write_text('a: &a [*a]')
    with pytest.raises(UserError, match='one that holds itself'):
        load_config('config.yml')


def test_the_file_that_is_inherited_from_is_named(place):
    (place / 'base.json').write_text(json.dumps(EVIL['a hook'][0]))
    (place / 'config.py').write_text("_base_ = 'base.json'")
    with pytest.raises(UserError, match=r'config.py cannot be read: base.json expects custom_hooks.0.type to be a '
                                        r"registered type, such as mmkd.KDLoss, got 'subprocess.run': it could run"):
        load_config('config.py')
    (place / 'base.json').write_text(json.dumps({'custom_hooks': [{'type': 'mmkd.EMAHok'}]}))
    with pytest.raises(UserError, match="such as mmkd.EMAHook, got 'mmkd.EMAHok'"):
        load_config('config.py')


def test_no_registry_imports_what_such_a_file_names_under_any_key(place):
    (place / 'config.yml').write_text('own: evil\nother: evilhooks.Hook\n')
    config = load_config('config.yml')
    for name in (config.own, config.other):
        assert MODELS.get(name) is None and HOOKS.get(name) is None
    with pytest.raises(KeyError, match='evil is not in the'):
        MODELS.build({'type': 'evil', '_scope_': 'evilhooks'})
    assert HOOKS.get('mmengine.runner.Runner') is Runner  # what only a Python config can have named


HARMLESS = f"""
_base_: {config_root()}/{RECIPE}
custom_hooks:
- {{type: mmkd.EMAHook, momentum: 1.0e-3}}
- {{type: mmengine.EmptyCacheHook}}
- {{type: EMAHook, ema_type: ExponentialMovingAverage}}
optim_wrapper: {{_delete_: true, type: OptimWrapper, optimizer: {{type: AdamW, lr: 1.0e-3}}}}
default_scope: mmpretrain
test_pipeline: [{{type: LoadImageFromFile}}, {{type: torchvision/Resize, size: 32}}, {{type: mmcv/Other}}]
train_dataloader: {{dataset: {{ann_file: test.txt}}}}
model:
  teacher: {{config: fashion/slak-mini_fashion.py}}
  terms: {{kd: {{student: neck.gap, loss: {{_delete_: true, type: mmkd.KDLoss}}}}}}
"""


def test_what_a_config_of_data_may_say(place):
    (place / 'config.yml').write_text(HARMLESS)
    config = load_config('config.yml')
    assert config.model.type == 'mmkd.Distiller' and config.optim_wrapper.optimizer.type == 'AdamW'
    (place / 'more.json').write_text(json.dumps({'_base_': 'config.yml', 'work_dir': '{{ fileBasename }}'}))
    assert load_config('more.json').work_dir == 'more.json'


@pytest.mark.parametrize('values', [
    {'type': 'mmkd.KDLoss'}, {'type': 'mmpretrain.ImageClassifier'}, {'type': 'mmdet.RetinaNet'},
    {'type': 'mmengine.EMAHook'}, {'type': 'mmengine.LoadImageFromFile'}, {'type': 'SGD'}, {'type': 'BN'},
    {'type': 'nms', 'iou_type': 'bbox', 'task_type': 'a text'}, {'_scope_': 'mmdet', 'type': 'RetinaNet'},
    {'model.teacher': 'mmpretrain::resnet/resnet50_8xb32_in1k.py', 'dtype': 'float16', 'a.-1': 1},
    {'config': str(config_root() / RECIPE)}, {'backend': 'inductor', 'compile': {'mode': 'default'}},
    {'ann_file': 'train.json', 'filename_tmpl': 'epoch_{}.pth', 'text': 'dict(', 'trust_remote_code': False},
    {'padding_mode': 'token', 'date': None},
])
def test_names_that_are_registered_and_other_texts_are_data(values):
    check_runs_no_code(values, 'a file')


@pytest.mark.parametrize('package', PACKAGES)
def test_types_of_all_packages_configs_pass(package):
    """All types that the packages' own configs name, as a file of data may name them."""
    names = set()
    for path in sorted(config_root(package).rglob('*.py'))[::40]:
        config = Config.fromfile(path, import_custom_modules=False)
        if not config._imported_names:  # of a new-style config, types are classes
            names |= set(_types(config.to_dict()))
    for name in sorted(names):
        check_runs_no_code({'type': name}, 'a file')


def _types(values):
    if isinstance(values, dict):
        if isinstance(values.get('type'), str):
            yield values['type']
        values = list(values.values())
    for value in values if isinstance(values, list | tuple) else ():
        yield from _types(value)


def test_who_trusts_a_file_lets_it_run(place, monkeypatch):
    monkeypatch.setattr('mmkd.utils.trust._trusted', False)
    (place / 'own.yml').write_text(json.dumps(EVIL['a hook'][0]))
    set_trust(True)
    assert load_config('own.yml').custom_hooks[0].type == 'subprocess.run'
