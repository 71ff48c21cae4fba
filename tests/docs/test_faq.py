"""docs/faq.md: what it quotes is what the code says, and its versions, keys and citation are those there are."""
import copy
import re
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import config_root

from ..distillers.conftest import classifier
from ..tools import test_train_unlabelled as unlabelled
from ..tools.conftest import call

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'docs/faq.md').read_text(encoding='utf-8')
QUOTED = dict(re.findall(r'<!-- message: (\w+) -->\n```text\n(.*?)\n```', TEXT, re.DOTALL))
RECIPE, STUDENT = 'convnest-mini_slak-mini-nkd_digits-5shot', 'convnest-mini_digits-5shot'
LOGITS = dict(student='logits', teacher='logits')
SHORT = ['train_cfg.max_epochs=2', 'train_cfg.val_interval=2', 'train_dataloader.dataset.times=1']


def assert_says(name: str, text: str) -> None:
    """Compares what was said with the quotation, in which … stands for anything."""
    said = ' '.join(text.split())
    for line in QUOTED[name].splitlines():
        pattern = '.*?'.join(map(re.escape, re.split('…', ' '.join(line.split()))))
        assert re.search(pattern, said), f'{line}\n{said[-3000:]}'


BUILDS = {
    'tap': dict(at=dict(loss=dict(type='mmkd.ATLoss'), student='stage5', teacher='stage2')),
    'temperature': dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=0), **LOGITS)),
    'width': dict(fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='stage2')),
    'classes': dict(kd=dict(loss=dict(type='mmkd.KDLoss'), **LOGITS)),
}


@pytest.mark.parametrize('name', BUILDS)
def test_errors_at_build(name):
    with pytest.raises(UserError) as caught:
        MODELS.build(dict(type='mmkd.Distiller', student=classifier(8), input_size=32,
                          teacher=classifier(16, 2, classes=12 if name == 'classes' else 10),
                          terms=copy.deepcopy(BUILDS[name])))
    assert_says(name, str(caught.value))


@pytest.fixture(scope='module')
def place(home) -> Path:
    """The digits, and a recipe whose teacher is the published student; ``renamed.pth`` calls its classes otherwise."""
    published = next((ROOT / 'checkpoints').glob(f'{RECIPE}-*.pth'))
    renamed = read_checkpoint(published)
    state = renamed.get('state_dict', renamed)
    for name in ('head.fc.weight', 'head.fc.bias'):
        state[name] = state[name].roll(1, dims=0)
    torch.save(renamed, home / 'renamed.pth')
    backends = re.search(r'```python\n(visualizer.*?)\n```', TEXT, re.DOTALL)[1]
    (home / 'faq.py').write_text(f"_base_ = '{config_root()}/quickstart/{RECIPE}.py'\nmodel = dict(teacher=dict("
                                 f"config='quickstart/{STUDENT}.py', checkpoint='{published}'))\n{backends}\n")
    return home


def test_a_run_and_its_continuation(place, tmp_path, capfd):
    """The teacher's accuracy, TensorBoard's file, and a run that is resumed with another length."""
    flags = ['faq.py', '--work-dir', tmp_path / 'run']
    assert call('train.py', *flags, '--cfg-options', *SHORT, cwd=place) == 0
    assert_says('teacher', ''.join(capfd.readouterr()))
    assert list((tmp_path / 'run').rglob('events.out.tfevents.*'))
    assert call('train.py', *flags, '--resume', '--cfg-options', 'train_cfg.max_epochs=3', *SHORT[1:], cwd=place) == 2
    assert_says('resume', ''.join(capfd.readouterr()))


RUNS = {
    'nan': ('faq.py', ['optim_wrapper.optimizer.lr=9e3', 'optim_wrapper.clip_grad=None']),
    'labels': (f'quickstart/{STUDENT}.py', ['model.head.num_classes=8']),
}


@pytest.mark.parametrize('name', RUNS)
def test_errors_of_a_run(name, place, tmp_path, capfd):
    config, options = RUNS[name]
    assert call('train.py', config, '--work-dir', tmp_path, '--cfg-options', *SHORT, *options, cwd=place) == 2
    assert_says(name, ''.join(capfd.readouterr()))


def test_check_recipe(place, capfd):
    assert call('analysis_tools/check_recipe.py', 'faq.py', '--cfg-options', 'model.teacher.checkpoint=renamed.pth',
                cwd=place) == 1
    output = ''.join(capfd.readouterr())
    assert_says('order', output)
    assert_says('cost', output)


def test_images_without_labels(tmp_path, capfd):
    unlabelled.prepare(tmp_path)
    unlabelled.write(tmp_path, term=unlabelled.LOGITS.format(loss='NKDLoss'))
    assert call('analysis_tools/check_recipe.py', 'recipe.py', cwd=tmp_path) == 1
    assert_says('unlabelled', ''.join(capfd.readouterr()))
    dataset = re.search(r'`dataset=(dict\(.*?)pipeline=…\)`', TEXT)[1]
    assert f'dataset={dataset}' in unlabelled.CONFIG


def test_every_message_is_tried():
    assert set(QUOTED) == {*BUILDS, *RUNS, 'teacher', 'resume', 'order', 'cost', 'unlabelled'}
    assert TEXT.count('```text') == len(QUOTED)


def test_versions_are_those_of_the_lock_files():
    locks = [(ROOT / f'requirements/{name}.lock').read_text(encoding='utf-8') for name in ('onedl', 'openmmlab')]
    rows = [line.strip('| ').split(' | ') for line in TEXT.partition('| PyTorch')[2].partition('\n\n')[0].splitlines()]
    rows[0] = ['torch', *rows[0][1:]]
    for label, *cells in rows:
        for cell, lock in zip(cells, locks, strict=True):
            name, version = cell.split() if re.match('[a-z]', cell) else (label.lower(), cell.partition(',')[0])
            assert re.search(rf'^{re.escape(name)}=={re.escape(version)}\b', lock, re.MULTILINE), cell


def test_names_that_are_given():
    weight = eval(re.search(r'`weight=(dict\(.*?\))`', TEXT)[1]) | dict(decay='linear', decay_from=6, stop=9)
    MODELS.build(dict(type='mmkd.Distiller', student=classifier(8), teacher=classifier(8), input_size=32,
                      terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss'), weight=weight, **LOGITS))))
    assert all(f'`{name}`' in TEXT for name in ('decay', 'decay_from', 'stop'))
    backends = import_module('mmengine.visualization.vis_backend')
    assert all(hasattr(backends, name) for name in re.findall(r'\w+VisBackend', TEXT))
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))
    assert f"title   = {{{citation['title']}}}" in TEXT and f"version = {{{citation['version']}}}" in TEXT
    assert f"year    = {{{citation['preferred-citation']['year']}}}" in TEXT


def test_both_tools_that_train_have_the_trackers_the_pages_name():
    for tool in ('train', 'distill'):
        source = (ROOT / f'tools/{tool}.py').read_text(encoding='utf-8')
        assert '--tracker' in source or 'add_tracker' in source
        for page in (TEXT, (ROOT / 'docs/monitoring.md').read_text(encoding='utf-8')):
            assert re.search(rf'`?mmkd {tool}\b[^\n]* --tracker', page)
