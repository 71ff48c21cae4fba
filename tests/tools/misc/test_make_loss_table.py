"""The tables of losses and connectors."""
import re
import sys
import warnings
from pathlib import Path

import pytest
from mmkd import connectors, losses

from mmkd.utils import UserError

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / 'tools/misc'))
import make_loss_table  # noqa: E402

README = (ROOT / 'README.md').read_text(encoding='utf-8')
PAGE = (ROOT / 'docs/losses.md').read_text(encoding='utf-8')


@pytest.mark.parametrize(('written', 'present'), [
    (PAGE, make_loss_table.page()), (README, make_loss_table.with_table(README))], ids=['page', 'README'])
def test_what_is_written_is_up_to_date(written, present):
    """Each line is one that the tool would write; a new loss or recipe is a warning, not a failure."""
    known, recipes = without_new_recipes(present, written)
    new = [line for line in known.splitlines() if line not in written.splitlines()]
    names = [re.match(r'\| `(\w+)` \|', line) for line in new]
    assert [line for line, name in zip(new, names, strict=True) if not name or f'| `{name[1]}` |' in written] == []
    assert [line for line in known.splitlines() if line not in new] == written.splitlines()
    missing = [*(name[1] for name in names), *recipes]
    if missing:
        warnings.warn(f'nothing of {", ".join(missing)}: run python tools/misc/make_loss_table.py', stacklevel=1)


def without_new_recipes(present: str, written: str) -> tuple[str, list[str]]:
    """The table without the recipes that the written one does not have, and their names."""
    links = dict(re.findall(r'\[(\w+)\]\((\S+/quickstart/methods/\w+\.py)\)', present))
    new = [name for name, link in links.items() if f'({link})' not in written]
    for name in new:
        link = re.escape(f'[{name}]({links[name]})')
        present = re.sub(rf'{link}, |, {link}', '', present)
        present = re.sub(link, '–', present)
    return present, new


def test_a_new_recipe_is_told_from_a_changed_line():
    link = '[kd](../configs/quickstart/methods/kd.py)'
    known, new = without_new_recipes(PAGE, PAGE.replace(f', {link}', ''))
    assert new == ['kd'] and link not in known and known == PAGE.replace(f', {link}', '')


@pytest.mark.parametrize('text', [make_loss_table.short_table(), make_loss_table.page()], ids=['README', 'page'])
def test_each_class_has_one_line(text):
    names = [*losses.__all__, *connectors.__all__]
    assert [sum(line.startswith(f'| `{name}` |') for line in text.splitlines()) for name in names] == [1] * len(names)


def test_a_line():
    assert ("| `NKDLoss` | logit | Weighs the target's log-probability by the teacher's, and matches the other classes "
            'among themselves | [Yang et al., 2022](https://arxiv.org/abs/2208.10139) |\n') in README
    assert '| `SRRLLoss` | ' in README and '| Yang et al., 2021 |' in README  # on OpenReview, not on arXiv
    assert '[nkd](../configs/quickstart/methods/nkd.py)' in make_loss_table.page()


def test_every_loss_of_the_page_has_a_paper_and_a_recipe():
    rows = [entry for entry in make_loss_table.entries() if entry.family != 'connector' and f'`{entry.name}`' in PAGE]
    assert len(rows) >= 18
    assert [entry.name for entry in rows if entry.paper is None] == []
    assert [entry.name for entry in rows if make_loss_table._recipes(entry.name) == '–'] == []


def test_a_readme_without_marks_is_refused():
    with pytest.raises(UserError, match='<!-- losses -->'):
        make_loss_table.with_table('# mmkd\n')
