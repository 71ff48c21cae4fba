"""The site: every page is in the navigation, every link leads somewhere, and Sphinx builds it without a warning."""
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

PAGES = [ROOT / name for name in ('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'model-zoo.md')] + sorted(
    DOCS.glob('*.md')) + sorted((ROOT / 'configs').rglob('README.md'))
LINK = re.compile(r'\]\((?!\w+:|//)([^)\s]*)\)')
GENERATED = {'api/index', 'configs/index'}


@cache
def prose(path: Path) -> str:
    """The text of a page without its code."""
    text = re.sub(r'^```.*?^```', '', path.read_text(encoding='utf-8'), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r'`[^`\n]*`', lambda match: match[0].replace('[', '').replace(']', ''), text)


@cache
def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r'^#+ (.+)$', prose(path), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.strip().lower()).replace(' ', '-') for heading in headings}


def test_every_page_is_in_the_navigation_once():
    listed = re.findall(r'^(?:(?=[a-z])[\w/]+)$', (DOCS / 'index.md').read_text(encoding='utf-8'), re.MULTILINE)
    pages = {path.stem for path in DOCS.glob('*.md')} - {'index'}
    assert sorted(listed) == sorted(pages | GENERATED)


@pytest.mark.parametrize('path', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(path):
    wrong = []
    for link in LINK.findall(prose(path)):
        target, _, anchor = link.partition('#')
        file = (path.parent / target).resolve() if target else path
        if file.is_relative_to(DOCS / 'api'):
            continue
        if not file.exists() or anchor and anchor not in anchors(file):
            wrong.append(link)
    assert wrong == []


@pytest.fixture
def extensions(monkeypatch):
    """The site's own extensions can be imported."""
    pytest.importorskip('furo')
    pytest.importorskip('myst_parser')
    monkeypatch.syspath_prepend(str(DOCS / '_ext'))


def test_links_are_rewritten_for_the_site(extensions):
    from repository_links import relink, shown_root_pages
    pages = shown_root_pages()
    text = ('[a](docs/faq.md#nan) [b](model-zoo.md) [c](configs/slak) [docs/quickstart.md](docs/quickstart.md) '
            '[d](configs/slak/slak-tiny_32xb128_in1k.py) [e](https://x.org/y.md) [f](LICENSE)')
    assert relink(text, ROOT, pages) == (
        '[a](/faq.md#nan) [b](/model_zoo.md) [c](/configs/slak.md) [](/quickstart.md) '
        '[d](/configs/slak.md#slak-tiny_32xb128_in1k) [e](https://x.org/y.md) [f](/../LICENSE)')
    code = '```bash\n[a](docs/faq.md)\n```'
    assert relink(code, ROOT, pages) == code


def test_every_formula_can_be_drawn(extensions):
    from mathml import to_mathml
    formulas = []
    for path in (ROOT / 'mmkd').rglob('*.py'):
        text = path.read_text(encoding='utf-8')
        formulas += [(match, False) for match in re.findall(r':math:`([^`]+)`', text)]
        formulas += [(match, True) for match in re.findall(r'\.\. math:: ?(.*?)\n\s*\n', text, re.DOTALL)]
    assert len(formulas) > 50
    assert all('<math' in to_mathml(formula, as_block) for formula, as_block in formulas)
    assert '<munderover>' not in to_mathml(r'\hat Y_1', True)  # the index stands beside, not below


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute and a half of one core
def test_sphinx_builds_without_a_warning(extensions, tmp_path):
    shutil.copytree(DOCS, tmp_path / 'docs', ignore=shutil.ignore_patterns('_build', 'api', 'configs', '__pycache__'))
    for name in {path.name for path in ROOT.iterdir()} - {'docs', '.git', 'work_dirs', 'data'}:
        (tmp_path / name).symlink_to(ROOT / name)
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-b', 'html', 'docs', 'site']
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]
    loss = (tmp_path / 'site/api/mmkd.losses.logit.kd.html').read_text(encoding='utf-8')
    assert '<math' in loss and 'KDLoss' in loss
    links = re.findall(r'href="([^"#:]+\.html)', (tmp_path / 'site/index.html').read_text(encoding='utf-8'))
    assert len(links) > 30 and all((tmp_path / 'site' / link).is_file() for link in links)
