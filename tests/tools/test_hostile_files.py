"""No file runs code, whichever tool reads it in whichever way, unless the user says --trust-checkpoint."""
import ast
import json
import os
import re
from pathlib import Path

import pytest
import torch
import yaml

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import config_root
from mmkd.zoo import index

from .conftest import CONVNEST, EPOCHS, SHRINK, TOOLS, call

ANALYSIS = 'analysis_tools/'
NAME = CONVNEST.rpartition('/')[2].removesuffix('.py')
INIT = f"""_base_ = '{config_root()}/{CONVNEST}'
model = dict(backbone=dict(init_cfg=dict(_delete_=True, type='Pretrained', checkpoint='evil.pth')))
"""
ALONE, TAUGHT = f'{config_root()}/{CONVNEST}', f'{config_root()}/fashion/methods/kd.py'
RUN = 'type: os.mkdir, name: pwned'
# Files of data that name a program in each of the ways that MMEngine would take.
NAMING = {
    'hook.yml': f'_base_: {ALONE}\ncustom_hooks: [{{{RUN}}}]',
    'hook.json': json.dumps(dict(_base_=ALONE, custom_hooks=[dict(type='os.mkdir', name='pwned')])),
    'connector.yml': f'_base_: {TAUGHT}\nmodel: {{terms: {{kd: {{connector: {{{RUN}}}}}}}}}',
    'imports.yml': f'_base_: {ALONE}\ncustom_imports: {{imports: [program]}}',
    'teacher.yml': f'_base_: {TAUGHT}\nmodel: {{teacher: program.py}}',
    'student.yml': f'_base_: {TAUGHT}\nmodel: {{student: {{config: program.py}}}}',
    'inherits.yml': '_base_: program.py',
}
GRIDS = {
    'hook-grids.yml': f'kd: {{custom_hooks: [[{{{RUN}}}]]}}',
    'text-grids.yml': """kd: {custom_hooks: ["[dict(type='os.mkdir', name='pwned')]"]}""",
    'student-grids.yml': 'kd: {model.student.config: [program.py]}',
    'imports-grids.yml': 'kd: {custom_imports.imports: [[program]]}',
}
TEACHER = """_base_ = './recipe.py'
model = dict(teacher=dict(_delete_=True, config='init.py'))
"""


class RunsCode:
    """A harmless payload."""

    def __reduce__(self):
        return os.mkdir, ('pwned', )


@pytest.fixture(scope='module')
def traps(workplace, plain_run) -> Path:
    """The workplace with files that run code where they are let."""
    torch.save(dict(state_dict=RunsCode(), meta={}), workplace / 'evil.pth')
    torch.save(dict(state_dict={'head.fc.bias': torch.zeros(10)}, meta=RunsCode()), workplace / 'beside.pth')
    training = read_checkpoint(plain_run / f'epoch_{EPOCHS}.pth')
    training['meta'].update(epoch=EPOCHS - 1, config="import os\nos.mkdir('pwned')\n")
    torch.save(training, workplace / 'text.pth')  # tensors, numbers and text only
    (workplace / 'evil.yml').write_text('model: !!python/object/apply:os.mkdir [pwned]\n')
    (workplace / 'program.py').write_text("import os\nos.mkdir('pwned')\n")
    for name, text in (NAMING | GRIDS).items():
        (workplace / name).write_text(text)
        if name in GRIDS:
            values = {key: each[0] for key, each in yaml.safe_load(text)['kd'].items()}
            (workplace / name).with_suffix('.json').write_text(json.dumps(dict(best=dict(kd=values))))
    (workplace / 'inherits.py').write_text("_base_ = './evil.yml'\n")
    (workplace / 'init.py').write_text(INIT)
    (workplace / 'taught.py').write_text(TEACHER)
    return workplace


ENTRIES = r'custom_hooks\.0|connector\.type|custom_imports|model\.teacher|student\.config|_base_'
OPTIONS = ['--work-dir', 'trap', '--cfg-options', *SHRINK]
# Tools and how they are led to each kind of file.
WAYS = {
    'checkpoint': [
        ('train.py', CONVNEST, *OPTIONS, 'load_from=evil.pth'),
        ('train.py', CONVNEST, '--resume', 'evil.pth', *OPTIONS),
        ('train.py', CONVNEST, '--resume', 'beside.pth', *OPTIONS), ('train.py', 'init.py', *OPTIONS),
        ('train.py', 'recipe.py', *OPTIONS, 'model.teacher.checkpoint=evil.pth'),
        ('train.py', 'recipe.py', *OPTIONS, 'model.student.checkpoint=beside.pth'), ('train.py', 'taught.py', *OPTIONS),
        ('test.py', CONVNEST, 'evil.pth', '--work-dir', 'trap'), ('test.py', CONVNEST, 'beside.pth#raw'),
        ('model_converters/publish_student.py', 'evil.pth', 'out.pth'),
        ('model_converters/convert_checkpoint.py', 'evil.pth', 'out.pth'),
        ('model_converters/make_release.py', f'{NAME}=evil.pth', '--out', 'release'),
        (f'{ANALYSIS}check_recipe.py', 'taught.py'),
        (f'{ANALYSIS}receptive_field.py', f'{CONVNEST}=evil.pth'), (f'{ANALYSIS}cka.py', 'init.py'),
        (f'{ANALYSIS}frequency.py', f'{CONVNEST}=beside.pth'),
        (f'{ANALYSIS}histograms.py', f'{CONVNEST}=evil.pth'), (f'{ANALYSIS}robustness.py', f'{CONVNEST}=evil.pth'),
        (f'{ANALYSIS}loss_landscape.py', 'init.py'),
    ],
    'config': [
        (tool, config, *more) for config in ('evil.yml', 'inherits.py') for tool, *more in (
            ('train.py', ), ('test.py', 'evil.pth'), (f'{ANALYSIS}check_recipe.py', ), (f'{ANALYSIS}get_flops.py', ),
            (f'{ANALYSIS}show_taps.py', ), (f'{ANALYSIS}benchmark_step.py', ),
            (f'{ANALYSIS}benchmark_input_pipeline.py', ), (f'{ANALYSIS}receptive_field.py', ),
            (f'{ANALYSIS}compute_shares.py', ))
    ],
    'names': [
        (tool, config, *more) for config in NAMING for tool, *more in (
            ('train.py', '--work-dir', 'trap'), (f'{ANALYSIS}check_recipe.py', '--cfg-options',
                                                 'model.teacher.checkpoint=None'))
    ] + [
        (tool, 'hook.yml', *more) for tool, *more in (
            ('test.py', 'evil.pth'), (f'{ANALYSIS}get_flops.py', ), (f'{ANALYSIS}show_taps.py', ),
            (f'{ANALYSIS}benchmark_step.py', ), (f'{ANALYSIS}receptive_field.py', ))
    ],
    'settings': [
        ('tune.py', '--methods', 'kd', '--grids', f'HERE/{name}', '--work-dir', 'HERE/trap', '--teacher-checkpoint',
         'HERE/teacher/epoch_4.pth') for name in GRIDS
    ] + [
        ('compare_methods.py', '--methods', 'kd', '--tuned', f'HERE/{name}-grids.json', '--work-dir', 'HERE/trap')
        for name in ('hook', 'student')
    ],
}


@pytest.mark.parametrize('kind', WAYS)
def test_no_way_of_any_tool_runs_a_file(traps, capsys, kind):
    for tool, *arguments in WAYS[kind]:
        status = call(tool, *(word.replace('HERE', str(traps)) for word in arguments), cwd=traps)
        out, err = capsys.readouterr()
        assert not (traps / 'pwned').exists(), (tool, arguments)
        assert status in (1, 2) and 'refused' in out + err and 'Traceback' not in out + err, (tool, arguments, out, err)
        if kind in ('names', 'settings'):
            lines = [line for line in (out + err).splitlines() if 'refused' in line]
            assert len(lines) == 1 and re.search(ENTRIES, lines[0]), (tool, arguments, out, err)


def test_times_and_counts_read_no_weights_at_all(traps, capsys):
    for tool, *arguments in (
            ('benchmark_step.py', 'taught.py', '--rounds', '1'),
            ('benchmark_step.py', 'recipe.py', '--rounds', '1', '--cfg-options', 'model.teacher.checkpoint=evil.pth'),
            ('get_flops.py', 'init.py', '--sparsity', '0.4', '--draws', '1')):
        status = call(f'{ANALYSIS}{tool}', *arguments, cwd=traps)
        assert status == 0 and not (traps / 'pwned').exists(), capsys.readouterr()


def test_a_checkpoint_of_tensors_and_text_resumes_without_running_its_config(traps, capsys):
    arguments = ['--auto-scale-lr', '--resume', 'text.pth', *OPTIONS, 'train_dataloader.dataset.times=1']
    assert call('train.py', CONVNEST, *arguments, cwd=traps) == 0
    assert 'resumed epoch' in capsys.readouterr().out and not (traps / 'pwned').exists()


def test_a_metafile_is_data(traps, monkeypatch):
    (traps / 'model-index.yml').write_text('Import: [configs/evil.yml]\n')
    (traps / 'configs').mkdir()
    (traps / 'configs/evil.yml').write_text('Models: !!python/object/apply:os.mkdir [pwned]\n')
    monkeypatch.chdir(traps)
    monkeypatch.setattr(index, 'config_root', lambda: traps / 'configs')
    with pytest.raises(UserError, match='may run code'):
        index.model_index()
    assert not (traps / 'pwned').exists()


def test_every_tool_that_reads_configs_or_builds_models_closes_the_gate():
    """A new tool cannot forget it."""
    reading = {'load_config', 'read_checkpoint', 'model_index', 'get_model', 'read_spec', 'predict_scenes', 'Runner'}
    pages = {'make_model_zoo.py', 'make_recipes_page.py'}  # of metafiles only, which are read as data anyhow
    for path in TOOLS.rglob('*.py'):
        names = {name.name for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
                 if isinstance(node, ast.ImportFrom) for name in node.names}
        if names & reading and path.name not in pages:
            assert 'load_safely_everywhere' in names, path.name
