"""The files of GitHub and of Read the Docs: YAML that names what is in the repository."""
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = ['.readthedocs.yaml', '.github/workflows/docs.yml', '.github/workflows/tests.yml']


@pytest.mark.parametrize('name', FILES)
def test_files_load_and_name_what_is_there(name):
    text = (ROOT / name).read_text(encoding='utf-8')
    assert yaml.safe_load(text)
    named = set(re.findall(r'(?:requirements/|docs/|\.ci/)[\w./-]+', text))
    assert named and all((ROOT / path).exists() for path in named if '_build' not in path), named


def test_the_site_is_built_with_warnings_as_errors():
    site = yaml.safe_load((ROOT / '.readthedocs.yaml').read_text(encoding='utf-8'))['sphinx']
    assert site == dict(configuration='docs/conf.py', fail_on_warning=True)
    steps = yaml.safe_load((ROOT / '.github/workflows/docs.yml').read_text(encoding='utf-8'))['jobs']['build']['steps']
    commands = [step['run'] for step in steps if 'run' in step]
    assert any('sphinx -W --keep-going' in command for command in commands)
    assert any('-b linkcheck' in command for command in commands)


def test_the_tests_are_those_of_ci():
    jobs = yaml.safe_load((ROOT / '.github/workflows/tests.yml').read_text(encoding='utf-8'))['jobs']
    assert jobs['tests']['steps'][-1]['run'] == 'bash .ci/run'
