"""mmkd demo: from the command to the picture, what it refuses, and that no figure is written down beforehand."""
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from .conftest import TOOLS, environment, fork

sys.path.insert(0, str(TOOLS))
import demo
from mmkd import cli

from mmkd.utils import UserError


@pytest.fixture(scope='module')
def shown(tmp_path_factory):
    """One demo, by the command, in an empty folder."""
    folder = tmp_path_factory.mktemp('anywhere')
    result = subprocess.run([sys.executable, '-m', 'mmkd', 'demo', '--seconds', '3', '--out', 'shown'], cwd=folder,
                            env=environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return folder / 'shown', result


def figures(text):
    return {name: float(value) for name, value in re.findall(r'^(\S.*?)  +([-+]?\d+\.\d)$', text, re.MULTILINE)}


def test_it_shows_four_models_and_the_gain(shown):
    folder, result = shown
    found = figures(result.stdout)
    assert list(found) == [demo.TEACHER, demo.STUDENT, *demo.NEW.values(), 'gain by distillation']
    assert found[demo.TEACHER] > 95 and found[demo.STUDENT] > 85  # they know the digits: the weights are theirs
    alone, distilled = (found[name] for name in demo.NEW.values())
    assert 0 <= alone < 95 and found['gain by distillation'] == pytest.approx(distilled - alone, abs=0.051)
    content = json.loads((folder / 'demo.json').read_text())
    assert content['top1'] == {name: found[name] for name in content['top1']} and content['steps'] >= 10
    assert f'{content["steps"]} steps each' in result.stdout
    with Image.open(folder / 'demo.png') as image:
        assert image.width > 1000
    assert sorted(path.name for path in folder.iterdir()) == ['.lock', 'demo.json', 'demo.png']


def test_what_it_says(shown):
    output = shown[1].stdout
    assert 'INFO' not in output and '\r' not in output + shown[1].stderr  # no bar where there is no terminal
    assert 'Picture: shown/demo.png. Next:\n  mmkd quickstart' in output
    words = re.findall(r'^  mmkd (\S+)', output, re.MULTILINE)
    assert words and all(word in cli.COMMANDS for word in words)


def test_it_can_be_run_again_and_nothing_else_is_touched(shown, tmp_path):
    demo.check_folder(shown[0])
    demo.check_folder(tmp_path / 'new')
    (tmp_path / 'mine.txt').touch()
    result = fork('demo.py', '--out', '.', cwd=tmp_path)
    assert result.returncode == 2 and result.stderr.count('\n') == 1 and '--out expects a new or empty' in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']
    with pytest.raises(UserError, match='--out expects'):
        demo.check_folder(tmp_path / 'mine.txt')


@pytest.mark.parametrize('words, message', [
    (['--seconds', '0'], '--seconds expects more than 0'), (['--seconds', 'nan'], '--seconds expects more than 0'),
    (['--seed', '-1'], '--seed expects 0 or more'), (['--device', 'abacus'], '--device expects a device')])
def test_bad_arguments(tmp_path, words, message):
    result = fork('demo.py', *words, cwd=tmp_path)
    assert result.returncode == 2 and message in result.stderr.splitlines()[-1]


def test_without_scikit_learn(tmp_path):
    (tmp_path / 'sklearn.py').write_text('raise ImportError')
    result = subprocess.run([sys.executable, str(TOOLS / 'demo.py')], cwd=tmp_path, capture_output=True, text=True,
                            env=environment(PYTHONPATH=f'{tmp_path}:{Path(TOOLS).parent}'))
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith('error: the digits come with scikit-learn')
