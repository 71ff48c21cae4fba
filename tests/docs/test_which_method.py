"""docs/which_method.md: the papers' figures are those of the recipes, and what a method asks for is what it has."""
import re
from pathlib import Path

import pytest
from mmkd import connectors, losses

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


def test_every_loss_is_there_once_with_what_it_reads():
    stated = {name.strip('`'): reads == 'yes' for names, reads in ASKED for name in names.split(', ')}
    assert stated == {name: getattr(losses, name).needs_target for name in losses.__all__}
    assert sum(len(names.split(', ')) for names, _ in ASKED) == len(losses.__all__)


def test_names_exist():
    names = set(re.findall(r'`(\w+(?:Loss|Connector))`', TEXT))
    assert names <= {*losses.__all__, *connectors.__all__}
