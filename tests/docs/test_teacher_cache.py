"""The page on kept answers: its two commands, on one epoch, and its numbers."""
import re

import pytest
import torch
from mmengine.registry import init_default_scope

from mmkd.cli import COMMANDS
from mmkd.distillers.teacher import CachedTeacher
from mmkd.losses import logit
from mmkd.losses.served import Kept, logit_losses_served
from mmkd.records import RecordFormat
from mmkd.registry import MODELS
from mmkd.utils.configs.finding import load_config
from tests.docs.pages import commands, text_of
from tests.tools.conftest import call

PAGE = 'teacher_cache.md'
IMAGES = 1_281_167
FORMATS = {'`10` (the default)': RecordFormat(1000), '`all --dtype fp16`': RecordFormat(1000, 'all', 'fp16'),
           '`all`': RecordFormat(1000, 'all')}


@pytest.fixture
def place(home, tmp_path):
    """A folder with the digits, and the quick start's teacher with weights of chance."""
    (tmp_path / 'data').symlink_to(home / 'data')
    init_default_scope('mmpretrain')
    teacher = tmp_path / 'work_dirs/quickstart/teacher/epoch_15.pth'
    teacher.parent.mkdir(parents=True)
    torch.save(dict(state_dict=MODELS.build(load_config('quickstart/slak-mini_digits.py').model).state_dict()), teacher)
    return tmp_path


def test_two_commands_from_a_recipe_to_a_cached_run(place, capsys):
    build, train = commands(PAGE, 'two')
    assert call(COMMANDS[build[0]].tool, *build[1:], '--epochs', 1, cwd=place) == 0
    capsys.readouterr()
    more = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    assert call(COMMANDS[train[0]].tool, *train[1:], *more, '--work-dir', 'run', cwd=place) == 0
    assert (place / 'run/epoch_1.pth').is_file()
    log = ''.join(path.read_text() for path in (place / 'run').rglob('*.log'))
    assert 'teacher/accuracy' in log or 'Teacher on the validation set' in log


@pytest.mark.parametrize(('recipe', 'dataset'), [
    ('methods/fd.py', 'dataset.dataset'), ('methods/funmatch.py', 'dataset.dataset'),
    ('convnest-mini_slak-mini-features_digits-unlabelled.py', 'dataset')], ids=['features', 'mixup', 'no labels'])
def test_the_two_commands_with_other_recipes(place, recipe, dataset):
    """On twelve pictures; what is read of the teacher differs, and all of it comes from the cache."""
    options = [f'train_dataloader.{dataset}.indices=12', 'train_dataloader.batch_size=4', 'train_cfg.max_epochs=1']
    options += ['train_dataloader.dataset.times=1'] * (dataset == 'dataset.dataset')
    build, train = ([f'configs/quickstart/{recipe}' if word.startswith('configs/') else word for word in command]
                    for command in commands(PAGE, 'two'))
    with pytest.MonkeyPatch.context() as patch:
        assert call(COMMANDS[build[0]].tool, *build[1:], '--epochs', 1, '--cfg-options', *options, cwd=place) == 0
        patch.setattr(CachedTeacher, '_live_answers', lambda *args: pytest.fail('the teacher ran'))
        assert call(COMMANDS[train[0]].tool, *train[1:], *options, '--no-validate', '--work-dir', 'run',
                    cwd=place) == 0
    assert (place / 'run/epoch_1.pth').is_file()


@pytest.mark.parametrize('name', FORMATS)
def test_sizes_are_those_of_the_format(name):
    row = rf'^\| {re.escape(name)} \| ([\d,]+) \| ([\d,]+) GB \|'
    size, whole = re.search(row, text_of(PAGE), re.MULTILINE).groups()
    assert int(size.replace(',', '')) == FORMATS[name].size
    assert abs(int(whole.replace(',', '')) - FORMATS[name].size * IMAGES * 300 / 1e9) < 1


def test_every_loss_on_logits_has_a_row():
    rows = [line for line in text_of(PAGE).splitlines() if line.startswith('| `')]
    for name, service in logit_losses_served(Kept(every_value=False)).items():
        row = next(line for line in rows if f'`{name}`' in line and ('exactly' in line))
        assert name in logit.__all__ and ('approximately' in row or service.how == 'not')
