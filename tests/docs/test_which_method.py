"""docs/which_method.md: the papers' figures are those of the recipes, and what a method asks for is what it has."""
import re
from pathlib import Path

import pytest
from mmengine.registry import MODELS, init_default_scope
from mmkd import connectors, losses

from mmkd.utils.configs.finding import load_config

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'docs/which_method.md').read_text(encoding='utf-8')
RECIPES = (ROOT / 'docs/recipes.md').read_text(encoding='utf-8')
FIGURES = re.findall(r'\[([\d.]+)\]\((\.\./configs/[\w./-]+)\)', TEXT)
ASKED = re.findall(r'^\| (`\w+Loss`(?:, `\w+Loss`)*) \| (yes|no) \|', TEXT, re.MULTILINE)


@pytest.mark.parametrize(('figure', 'config'), FIGURES, ids=[Path(config).stem for _, config in FIGURES])
def test_a_figure_is_the_recipes(figure, config):
    assert (ROOT / 'docs' / config).is_file()
    lines = [line for line in RECIPES.splitlines() if f']({config})' in line]
    assert any(f'| {figure} top1' in line for line in lines), lines


def test_there_are_figures():
    assert len(FIGURES) > 50 and 'All figures of this section are the papers' in TEXT


def test_every_loss_of_the_page_is_there_once_with_what_it_reads():
    """A loss that the page does not have yet is no fault."""
    stated = {name.strip('`'): reads == 'yes' for names, reads in ASKED for name in names.split(', ')}
    assert stated == {name: getattr(losses, name).needs_target for name in stated}
    assert sum(len(names.split(', ')) for names, _ in ASKED) == len(stated) >= 18


def test_names_exist():
    names = set(re.findall(r'`(\w+(?:Loss|Connector))`', TEXT))
    assert names <= {*losses.__all__, *connectors.__all__}


COSTS = {name: (int(number.replace(',', '')), seconds) for name, number, seconds in
         re.findall(r'^\| (\w+) \| ([\d,]+) \| (\d+) \|$', TEXT, re.MULTILINE)}


@pytest.mark.parametrize('name', [name if name in ('fd', 'cc') else pytest.param(name, marks=pytest.mark.slow)
                                  for name in COSTS])
def test_parameters_of_the_terms(name):
    config = load_config(f'quickstart/methods/{name}.py')
    config.model.teacher.checkpoint = None
    init_default_scope('mmpretrain')
    distiller = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    assert sum(p.numel() for p in distiller.terms.parameters() if p.requires_grad) == COSTS[name][0]
    assert f'{sum(p.numel() for p in distiller.student.parameters()):,}\nparameters' in TEXT


def test_every_cost_is_a_methods_with_its_seconds():
    table = (ROOT / 'docs/compare_methods.md').read_text(encoding='utf-8')
    assert len(COSTS) >= 19
    assert set(COSTS) <= {path.stem for path in (ROOT / 'configs/quickstart/methods').glob('*.py')}
    for name, (_, seconds) in COSTS.items():
        assert re.search(rf'^\| {name} \|.*\| {seconds} \| [^|]+ \|$', table, re.MULTILINE), name
