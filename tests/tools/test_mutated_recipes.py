"""A recipe with one wrong field ends with one line, or trains on numbers that mean what the field says.

A sample of the mutations is tried by default, and all 200 with ``--all``.
"""
import re
from pathlib import Path

import pytest
import torch

from mmkd.distillers.models import build_model, read_spec
from mmkd.utils.configs.finding import config_root, load_config
from mmkd.utils.configs.keys import is_read

from .conftest import call
from .mutations import Mutation, sample

RECIPE = f"""
_base_ = '{config_root()}/quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    student=dict(options={{'model.backbone.drop_path_rate': 0.1}}),
    teacher=dict(checkpoint='teacher.pth', dtype=None, input_size=32),
    terms=dict(fd=dict(loss=dict(type='mmkd.FDLoss', beta=2.), student='stage2', teacher='stage2',
                       weight=dict(value=0.5, warmup=1), connector=dict(type='mmkd.ConvConnector', kernel_size=1))))
train_dataloader = dict(batch_size=5, num_workers=0, persistent_workers=False,
                        dataset=dict(times=1, dataset=dict(indices=10)))
optim_wrapper = dict(
    clip_grad=dict(max_norm=5.), optimizer=dict(betas=(0.9, 0.999), eps=1e-8),
    paramwise_cfg=dict(custom_keys={{'backbone.stem': dict(lr_mult=0.5, decay_mult=0.)}}))
train_cfg = dict(max_epochs=2)
custom_hooks = [dict(type='EMAHook', momentum=0.05, update_buffers=True, priority='ABOVE_NORMAL'),
                dict(type='mmkd.DistillationHook')]
"""
COUNT, DEFAULT = 200, 12
# Mutations that leave a recipe which means something: field and kind, and why.
SENSIBLE = {
    r'(custom_hooks|param_scheduler|log_processor|default_hooks|visualizer|auto_scale_lr(\..*)?): (None|empty)':
        'the entry left out: no hooks, no schedule, MMEngine\'s own log',
    r'default_hooks\.\w+: None': "MMEngine's way to leave a hook of its own out",
    r'data_preprocessor: None': "the model's own is read",
    r'data_preprocessor: empty': 'images as they are',
    r'model\.teacher\.input_size: None': "the student's",
    r'model\.teacher\.checkpoint: None': 'a teacher of random weights, of which the run warns',
    r'visualizer\.vis_backends: (None|empty)': 'nothing but the log is written',
    r'default_hooks\.(checkpoint|logger)\.interval: (huge|negative)': 'never, or only at the end',
    r'log_processor\.window_size: (None|huge)': 'how many steps a logged mean has',
    r'env_cfg\.dist_cfg\b.*: .*': 'is read, and refused, where there are several processes',
    r'env_cfg: .*(None|empty)|env_cfg\.(mp_cfg|mp_cfg\.\w+|cudnn_benchmark): (None|empty|negative)':
        "OpenCV's and PyTorch's own settings",
    r'randomness(\.seed)?: (None|empty)': 'a seed that is drawn, and logged',
    r'model\.student\.options(\.model(\.backbone)?)?: (None|empty)': 'the config as it is',
    r'model\.terms\.(nkd|fd): misspelt key': 'a term has the name that the recipe gives it',
    r'model\.terms\.fd\.weight: (None|number|empty)': 'a number is a weight, and 1 where none is given',
    r'optim_wrapper\.paramwise_cfg(\..*)?: (None|empty)': 'no multiplier',
    r'custom_hooks\.\d\.priority: (None|number)': 'a number is a priority',
    r'default_hooks\.checkpoint\.max_keep_ckpts: (negative|huge)': 'all are kept',
    r'data_preprocessor\.num_classes: None': 'labels are not made one-hot in this recipe',
    r'train_dataloader\.dataset\.dataset\.ann_file: (None|empty)': 'all images of the folder',
    r'log_level: number': 'a level of Python logging',
    r'optim_wrapper\.clip_grad: (None|empty)': 'no clipping',
    r'optim_wrapper\.paramwise_cfg\.custom_keys\.backbone\.stem: misspelt key': 'part of a parameter name is free',
    r'param_scheduler\.\d\.(eta_min|end|begin): None': "the schedule's own default",
    r'train_cfg\.val_interval: None': 'there is no validation in this recipe',
    r'train_dataloader\.dataset\.dataset\.indices: (None|huge|negative)': 'all images, or the last',
    r'train_dataloader\.dataset\.dataset\.(metainfo|metainfo\.classes): (None|empty)': 'the names of the folders',
    r'train_dataloader\.dataset\.dataset\.pipeline\.\d\.(padding|brightness|contrast): None': 'none of it',
    r'train_dataloader\.batch_size: huge': 'one batch of all images',
    r'work_dir: .*|load_from: None|resume: None|launcher: None|experiment_name: .*': 'where and how it runs',
}


def plain(value: object) -> object:
    """Dicts and lists without MMEngine's classes, in which everything can be changed."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.fixture(scope='module')
def place(home) -> Path:
    torch.manual_seed(0)
    teacher = build_model(read_spec(dict(config='quickstart/slak-mini_digits.py'), 'teacher'), 'student')
    torch.save(dict(state_dict=teacher.state_dict(), meta={}), home / 'teacher.pth')
    return home


@pytest.fixture(scope='module')
def recipe(tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp('recipe') / 'recipe.py'
    path.write_text(RECIPE)
    config = plain(load_config(path)._cfg_dict.to_dict())
    unread = ('val_dataloader', 'val_evaluator', 'val_cfg', 'test_dataloader', 'test_evaluator', 'test_cfg')
    return {key: value for key, value in config.items() if is_read(key) and key not in unread}


def written(recipe: dict) -> str:
    text = '\n'.join(f'{key} = {value!r}' for key, value in recipe.items())
    return re.sub(r'\bnan\b', "float('nan')", text) + '\n'


def outcome(place: Path, recipe: dict, mutation: Mutation, capsys: pytest.CaptureFixture) -> str:
    """What is wrong with how the tool took the recipe; empty if nothing is."""
    (place / 'mutated.py').write_text(written(mutation.of(recipe)))
    capsys.readouterr()
    try:
        status = call('train.py', 'mutated.py', '--work-dir', 'mutated', cwd=place)
    except Exception as error:
        return f'traceback of {type(error).__name__}: {error}'
    out, err = capsys.readouterr()
    if status == 2:
        lines = [line for line in err.splitlines() if line.startswith('error: ')]
        return '' if len(lines) == 1 and 'Traceback' not in out + err else f'no single line: {err[-500:]}'
    losses = re.findall(r'\bloss: (\S+)', out + err)
    if any(loss in ('nan', 'inf', '-inf') for loss in losses):
        return f'trained on {losses}'
    return '' if any(re.fullmatch(pattern, mutation.name) for pattern in SENSIBLE) else f'trained {losses[-1:]}'


def failures(place: Path, recipe: dict, mutations: list[Mutation], capsys: pytest.CaptureFixture) -> dict[str, str]:
    found = {mutation.name: outcome(place, recipe, mutation, capsys) for mutation in mutations}
    return {name: problem for name, problem in found.items() if problem}


def test_the_recipe_itself_trains(place, recipe, capsys):
    (place / 'whole.py').write_text(written(recipe))
    assert call('train.py', 'whole.py', '--work-dir', 'whole', cwd=place) == 0


def test_the_sample_is_the_same_each_time(recipe):
    first, again = sample(recipe, COUNT), sample(recipe, COUNT)
    assert [mutation.name for mutation in first] == [mutation.name for mutation in again]
    assert len({mutation.kind for mutation in first}) >= 12 and len({m.path[0] for m in first}) >= 12


def test_some_mutations(place, recipe, capsys):
    assert failures(place, recipe, sample(recipe, COUNT)[:DEFAULT], capsys) == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_mutations(place, recipe, capsys):
    assert failures(place, recipe, sample(recipe, COUNT)[DEFAULT:], capsys) == {}
