"""Every recipe has the hyper-parameters that its paper states; every row of the papers has a recipe or a reason."""
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample

from mmkd.cli import COMMANDS
from mmkd.recipes.paper_rows import Row, all_rows, recipes_page
from mmkd.utils.command_line.completion import read_options, tool_file
from mmkd.utils.configs.finding import config_root, load_config
from tests.configs.recipe_facts import recipe_facts

from .changes import changed

PAPERS = sorted(path.parent.name for path in config_root().glob('*/rows.yml'))
REPOSITORY = Path(__file__).parents[2]


@cache
def rows(folder: str | None = None) -> list[Row]:
    """The rows that have a recipe, of one folder or of all."""
    return [row for row in all_rows() if row.config and folder in (None, Path(row.config).parts[0])]


@cache
def facts_of(name: str) -> dict:
    return recipe_facts(load_config(config_root() / name))


def differences(stated: dict, facts: dict) -> dict:
    """What is stated and found, where they differ; a number and what YAML reads as one are the same."""
    return {name: (value, facts.get(name)) for name, value in stated.items() if not same(value, facts.get(name))}


def same(stated: object, found: object) -> bool:
    if isinstance(stated, float | int) and isinstance(found, float | int) and not isinstance(stated, bool):
        return stated == pytest.approx(found, rel=1e-6)
    if isinstance(stated, list) and isinstance(found, list):
        return len(stated) == len(found) and all(map(same, stated, found))
    return stated == found


@pytest.mark.parametrize('command', sorted({row.command for row in all_rows() if row.command}))
def test_commands_of_rows_are_there(command):
    """Their words, options and configs."""
    words = shlex.split(command)
    assert words[0] == 'mmkd' and ' '.join(words[1:3]) in COMMANDS
    options = {word for word in words if word.startswith('--')}
    assert options <= set(read_options(tool_file(COMMANDS[' '.join(words[1:3])].tool)).names)
    assert all((REPOSITORY / word).exists() for word in words if word.endswith('.py'))


@pytest.mark.parametrize('paper', PAPERS)
def test_hyper_parameters(paper):
    assert rows(paper) and all(row.facts for row in rows(paper)), 'say what the paper states'
    found = {f'{row.table}: {row.config}': differences(row.facts, facts_of(row.config)) for row in rows(paper)}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize('paper', PAPERS)
def test_the_header_names_the_table_and_the_figure(paper):
    missing = []
    for row in rows(paper):
        head = (config_root() / row.config).read_text(encoding='utf-8').split('_base_')[0]
        missing += [f'{row.config}: {text}' for text in (row.table.split(',')[0], row.figure.split()[0])
                    if text not in head]
    assert missing == []


def test_every_recipe_of_these_folders_has_a_row():
    folders = {Path(row.config).parts[0] for row in rows()}
    listed = {row.config for row in rows()}
    found = {path.relative_to(config_root()).as_posix() for folder in folders
             for path in (config_root() / folder).glob('*.py')}
    assert found == listed


@pytest.mark.parametrize('name, smoothing', [
    ('resnet50_8xb256-a2-300e_in1k', 0.0), ('resnet50_8xb256-a1-600e_in1k', 0.1),
    ('deit-small_8xb256-a2-300e_in1k', 0.0), ('_base_/students/deit-small_8xb256-a1-600e_in1k', 0.1),
    ('_base_/students/convnext-v2-tiny_8xb256-a1-600e_in1k', 0.1),
    ('_base_/students/resnet18_8xb256-adamw-300e_in1k', 0.0),
])
def test_binary_cross_entropy_beside_kd_is_a_mean_over_the_classes(name, smoothing):
    head = ClsHead(loss=load_config(config_root() / f'vanilla_kd/{name}.py').model.head.loss)
    scores = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    target = torch.eye(1000)[:4]
    loss = head._get_loss(scores, [DataSample().set_gt_score(row) for row in target])['loss']
    smoothed = target * (1 - smoothing) + smoothing / 1000
    torch.testing.assert_close(loss, F.binary_cross_entropy_with_logits(scores, smoothed))


def test_the_page_is_up_to_date():
    assert (REPOSITORY / 'docs/recipes.md').read_text(encoding='utf-8') == recipes_page(), (
        'run python tools/misc/make_recipes_page.py')


def stated(paper: str) -> list[tuple[str, str]]:
    """Every hyper-parameter with two recipes of a folder that have it, and two that must not have it."""
    found: dict[tuple, list[str]] = {}
    for row in rows(paper):
        for name, value in row.facts.items():
            found.setdefault((name, value is None), []).append(row.config)
    return sorted({(name, config) for (name, _), configs in found.items() for config in (configs[0], configs[-1])})


@pytest.mark.parametrize('paper', PAPERS)
def test_a_changed_value_is_found(paper):
    missed = []
    for name, config in stated(paper):
        facts = recipe_facts(changed(load_config(config_root() / config), name))
        missed += [f'{config}: {name}' for row in rows(paper) if row.config == config and name in row.facts
                   and name not in differences(row.facts, facts)]
    assert missed == []


@pytest.mark.parametrize('paper', PAPERS)
def test_the_batch_of_all_gpus(paper):
    """Images a GPU times the GPUs of the file's name, or else of its command, are the batch that the rate is for."""
    wrong = []
    for config in sorted({row.config for row in rows(paper)}):
        recipe, text = load_config(config_root() / config), (config_root() / config).read_text(encoding='utf-8')
        batch, named = recipe.train_dataloader.batch_size, re.search(r'_(\d+)xb(\d+)[-_]', config)
        started = re.search(r'dist_train\.sh \S+ (\d+)', text)
        gpus = int(named[1]) if named else int(started[1]) if started else 1
        if gpus * batch != recipe.auto_scale_lr.base_batch_size or named and batch != int(named[2]):
            wrong.append(f'{config}: {gpus} x {batch} for {recipe.auto_scale_lr.base_batch_size}')
    assert wrong == []
