"""GitHub's forms and the citation are valid, and name what there is."""
import re
from pathlib import Path

import mmkd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / '.github/ISSUE_TEMPLATE').glob('*.yml'))
TEXTS = [*FORMS, ROOT / '.github/PULL_REQUEST_TEMPLATE.md', ROOT / 'CONTRIBUTING.md', ROOT / 'CHANGELOG.md']


@pytest.mark.parametrize('path', FORMS, ids=lambda path: path.stem)
def test_forms_are_what_github_takes(path):
    form = yaml.safe_load(path.read_text(encoding='utf-8'))
    assert {'name', 'description', 'body'} <= set(form)
    fields = [part for part in form['body'] if part['type'] != 'markdown']
    assert len({field['id'] for field in fields}) == len(fields) > 2
    for part in form['body']:
        assert part['type'] in ('markdown', 'textarea', 'input', 'dropdown', 'checkboxes')
        assert 'value' in part['attributes'] or 'label' in part['attributes']
        assert part['type'] != 'checkboxes' or all(option['label'] for option in part['attributes']['options'])


@pytest.mark.parametrize('path', TEXTS, ids=lambda path: path.name)
def test_what_is_named_exists(path):
    text = path.read_text(encoding='utf-8')
    names = re.findall(r'(?:tools|docs|tests|configs|mmkd|requirements|\.ci)/[\w./*{},-]*[\w*}]', text)
    built = ('docs/_build/', 'docs/api', 'docs/configs')  # the site, which git does not have
    missing = [name for name in names if not name.endswith('NAME.py') and 'FAMILY' not in name
               and not name.startswith(built) and not any(list(ROOT.glob(option)) for option in options(name))]
    assert missing == []


def options(name: str) -> list[str]:
    """``a/{b,c}`` as ``a/b`` and ``a/c``."""
    before, brace, rest = name.partition('{')
    inner, _, after = rest.partition('}')
    return [before + part + after for part in inner.split(',')] if brace else [name]


def test_the_citation():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))
    preferred = citation['preferred-citation']
    assert citation['version'] == preferred['version'] == mmkd.__version__
    assert citation['title'] == preferred['title'] and preferred['year'] >= 2026
    assert citation['license'] == 'Apache-2.0' and 'Apache License' in (ROOT / 'LICENSE').read_text(encoding='utf-8')


def test_readme_and_setup_say_the_same():
    readme, setup = ((ROOT / name).read_text(encoding='utf-8') for name in ('README.md', 'setup.py'))
    versions = re.findall(r"Language :: Python :: (3\.\d+)'", setup)
    listed = f'{", ".join(versions[:-1])} or {versions[-1]}'
    assert f'Needs Python {listed}, and Linux: macOS and Windows were not tried' in readme
    assert f'![Python: {", ".join(versions)}]' in readme and '%20%7C%20'.join(versions) in readme
    assert "'Operating System :: POSIX :: Linux'" in setup and "license='Apache-2.0'" in setup
    assert 'licence-Apache--2.0' in readme and len(readme.splitlines()) <= 120
