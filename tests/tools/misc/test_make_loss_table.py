"""The tables of losses and connectors."""
import sys
from pathlib import Path

import pytest
from mmkd import connectors, losses

from mmkd.utils import UserError

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / 'tools/misc'))
import make_loss_table  # noqa: E402

README = (ROOT / 'README.md').read_text(encoding='utf-8')


def test_both_are_up_to_date():
    page = (ROOT / 'docs/losses.md').read_text(encoding='utf-8')
    assert page == make_loss_table.page(), 'run python tools/misc/make_loss_table.py'
    assert make_loss_table.with_table(README) == README, 'run python tools/misc/make_loss_table.py'


@pytest.mark.parametrize('text', [make_loss_table.short_table(), make_loss_table.page()], ids=['README', 'page'])
def test_each_class_has_one_line(text):
    names = [*losses.__all__, *connectors.__all__]
    assert [sum(line.startswith(f'| `{name}` |') for line in text.splitlines()) for name in names] == [1] * len(names)


def test_a_line():
    assert ("| `NKDLoss` | logit | Weighs the target's log-probability by the teacher's, and matches the other classes "
            'among themselves | [Yang et al., 2022](https://arxiv.org/abs/2208.10139) |\n') in README
    assert '| `SRRLLoss` | ' in README and '| Yang et al., 2021 |' in README  # on OpenReview, not on arXiv
    assert '[nkd](../configs/quickstart/methods/nkd.py)' in make_loss_table.page()


def test_every_loss_has_a_paper_and_a_recipe():
    rows = [entry for entry in make_loss_table.entries() if entry.family != 'connector']
    assert [entry.name for entry in rows if entry.paper is None] == []
    assert [entry.name for entry in rows if make_loss_table._recipes(entry.name) == '–'] == []


def test_a_readme_without_marks_is_refused():
    with pytest.raises(UserError, match='<!-- losses -->'):
        make_loss_table.with_table('# mmkd\n')
