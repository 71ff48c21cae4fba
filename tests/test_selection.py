"""Which tests run: all but the slow ones, a part of these, all, or those of files that are named."""
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

pytest_plugins = ['pytester']
TESTS = '''
import pytest

@pytest.mark.slow
@pytest.mark.parametrize('number', range(40))
def test_slow(number): pass

@pytest.mark.gpu
def test_gpu(): assert __import__('torch').cuda.is_available()

def test_quick(): pass
'''


@pytest.fixture
def collect(pytester):
    """Runs pytest in a project with this one's conftest, and returns the names of what passed, and its output."""
    (pytester.path / 'tests').mkdir()
    shutil.copy(Path(__file__).with_name('conftest.py'), pytester.path / 'tests')
    shutil.copy(Path(__file__).parents[1] / 'pyproject.toml', pytester.path)
    (pytester.path / 'tests/test_it.py').write_text(TESTS)

    def _collect(*arguments: str) -> tuple[list[str], str]:
        done = pytester.runpytest_inprocess('-v', '-p', 'no:cacheprovider', '-p', 'no:randomly', *arguments)
        passed = [line.split()[0].partition('::')[2] for line in done.outlines if ' PASSED' in line]
        return passed, '\n'.join(done.outlines + done.errlines)

    return _collect


def slow(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith('test_slow')]


def test_the_slow_ones_are_left_out(collect):
    names, output = collect()
    assert 'test_quick' in names and slow(names) == [] and '40 deselected' in output
    assert 'test_gpu' in names or 'needs a GPU' in output


@pytest.mark.parametrize('arguments', [('--all',), ('tests/test_it.py',), ('-m', 'slow')])
def test_they_run_when_asked_for(collect, arguments):
    assert len(slow(collect(*arguments)[0])) == 40


def test_each_is_in_one_part_of_three(collect):
    found = Counter(name for part in (1, 2, 3) for name in slow(collect('--part', f'{part}/3')[0]))
    assert len(found) == 40 and set(found.values()) == {1}
    assert "--part expects K/N with K from 1 to N, got '4/3'" in collect('--part', '4/3')[1]


def test_ci_prints_the_part_of_the_commit(tmp_path):
    """And hands it on: the same commit has the same part, wherever it is run."""
    root = Path(__file__).parents[1]
    for folder in ('.ci', 'tools'):
        (tmp_path / folder).mkdir()
    shutil.copy(root / '.ci/run', tmp_path / '.ci')
    (tmp_path / 'tools/run_tests.sh').write_text('echo "ran $*"\n')
    git = ['git', '-c', 'user.name=a', '-c', 'user.email=a@b.c', '-C', str(tmp_path)]
    subprocess.run([*git, 'init', '-q'], check=True)
    subprocess.run([*git, 'commit', '-q', '--allow-empty', '-m', 'x'], check=True)
    commit = subprocess.run([*git, 'rev-parse', 'HEAD'], check=True, capture_output=True, text=True).stdout.strip()
    part = f'{int(commit[:7], 16) % 8 + 1}/8'
    done = subprocess.run(['bash', str(tmp_path / '.ci/run')], capture_output=True, text=True)
    assert done.stdout.splitlines() == [f'commit {commit}: bash tools/run_tests.sh --part {part}', f'ran --part {part}']
