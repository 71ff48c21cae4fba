"""The command mmkd: every tool behind a word, started as by its path; nothing heavy for --help."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmkd import __version__, cli

from mmkd.utils.command_line.completion import tool_file

ROOT = Path(__file__).parents[1]
OF_THE_REPOSITORY = {  # tools that write its pages, or need other checkouts
    'misc/make_loss_table.py', 'misc/make_model_zoo.py', 'misc/make_recipes_page.py', 'misc/compare_with_authors.py'}
WITHOUT_SITE = [sys.executable, '-S', str(ROOT / 'mmkd_command.py')]  # no package is installed
LIGHT = '''
import sys
import mmkd_command
status = mmkd_command.main()
heavy = {'torch', 'mmengine', 'numpy', 'yaml'} & set(sys.modules)
sys.exit(f'imported: {heavy}' if heavy else status)
'''


def mmkd(*words: str, **options) -> subprocess.CompletedProcess:
    """Runs the command as its console script does."""
    command = [sys.executable, '-c', 'import sys, mmkd_command; sys.exit(mmkd_command.main())', *words]
    return subprocess.run(command, text=True, env=os.environ | {'PYTHONPATH': str(ROOT)},
                          **dict(capture_output=True) | options)


def main(monkeypatch, *words: str) -> int:
    """Runs the command in this process."""
    monkeypatch.setattr(sys, 'argv', ['mmkd', *words])
    return cli.main()


@pytest.fixture
def started(monkeypatch):
    """What would have taken the place of this process: words and environment."""
    calls = []

    class Replaced(BaseException):
        pass

    def execve(program, words, environment):
        calls.append((program, words, environment))
        raise Replaced

    def run(*words):
        with pytest.raises(Replaced):
            main(monkeypatch, *words)
        return calls[-1]

    monkeypatch.setattr(os, 'execve', execve)
    return run


@pytest.mark.parametrize('name', cli.COMMANDS)
def test_what_stands_behind_each_word(name):
    assert tool_file(cli.COMMANDS[name].tool).is_file()
    assert len(f'  {name:<20}{cli.COMMANDS[name].help}') <= 80


def test_every_tool_with_options_has_a_word():
    tools = {path.relative_to(ROOT / 'tools').as_posix() for path in (ROOT / 'tools').rglob('*.py')
             if 'ToolParser(' in path.read_text(encoding='utf-8')}
    assert tools - {command.tool for command in cli.COMMANDS.values()} == OF_THE_REPOSITORY


@pytest.mark.parametrize(('words', 'tool', 'program'), [
    (('train', 'a.py', '--amp'), 'tools/train.py', 'mmkd train'),
    (('benchmark', 'step', 'a.py', '--amp'), 'tools/analysis_tools/benchmark_step.py', 'mmkd benchmark step')])
def test_a_tool_takes_the_place_of_the_command(started, monkeypatch, words, tool, program):
    monkeypatch.setenv('PYTHONPATH', 'mine')
    python, arguments, environment = started(*words)
    assert (python, arguments) == (sys.executable, [sys.executable, str(ROOT / tool), 'a.py', '--amp'])
    assert environment['MMKD_PROGRAM'] == program
    assert environment['PYTHONPATH'] == f'{ROOT}{os.pathsep}mine'


def test_of_a_wheel_the_path_is_left_alone(started, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, 'tools_folder', lambda: tmp_path / 'mmkd/.mim/tools')
    monkeypatch.delenv('PYTHONPATH', raising=False)
    _, arguments, environment = started('train', '--help')
    assert arguments[1:] == [str(tmp_path / 'mmkd/.mim/tools/train.py'), '--help'] and 'PYTHONPATH' not in environment


def test_a_module_is_a_tool_too(started):
    assert started('zoo', 'list')[1] == [sys.executable, '-m', 'mmkd.zoo', 'list']


@pytest.mark.parametrize(('words', 'expected'), [
    (('trian', 'a.py'), "error: mmkd expects a command, got 'trian'. Did you mean train?"),
    (('--amp', ), "error: mmkd expects a command, got '--amp'."),
    (('benchmark', 'stpe'), "error: mmkd benchmark expects a command, got 'stpe'. Did you mean step, startup?")])
def test_unknown_words(monkeypatch, capsys, words, expected):
    assert main(monkeypatch, *words) == 2
    said = capsys.readouterr()
    assert said.err.startswith(expected) and said.err.count('\n') == 1 and said.out == ''


@pytest.mark.parametrize(('words', 'others'), [((), 'train'), (('benchmark', ), 'benchmark step')])
def test_without_a_word_it_shows_its_help(monkeypatch, capsys, words, others):
    assert main(monkeypatch, *words) == 2
    page = capsys.readouterr().err
    assert main(monkeypatch, *words, '--help') == 0
    assert capsys.readouterr().out == page and f'  {others} ' in page
    assert ('  train ' in page) == (not words)


def test_nothing_heavy_is_imported_for_help():
    done = subprocess.run([sys.executable, '-c', LIGHT, '--help'], capture_output=True, text=True,
                          env=os.environ | {'PYTHONPATH': str(ROOT)})
    assert (done.returncode, done.stderr) == (0, '') and '\n  train  ' in done.stdout


def test_nothing_heavy_is_imported_for_the_version():
    done = subprocess.run([sys.executable, '-c', LIGHT, '--version'], capture_output=True, text=True,
                          env=os.environ | {'PYTHONPATH': str(ROOT)})
    assert (done.returncode, done.stderr) == (0, '') and done.stdout.startswith(f'mmkd {__version__}\nPython 3.')
    assert '\ntorch ' in done.stdout and 'mmengine ' in done.stdout


def test_a_tool_is_called_by_its_word():
    done = mmkd('zoo', 'list', '--help')
    assert done.returncode == 0 and done.stdout.startswith('usage: mmkd zoo list')


@pytest.mark.slow
def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, '-m', 'mmkd', 'zoo', 'info', 'no-such'], capture_output=True, text=True,
                          env=os.environ | {'PYTHONPATH': str(ROOT)})
    assert done.returncode == 2 and '\nerror: info expects the name' in f'\n{done.stderr}'  # after torch's warnings


def test_a_closed_pipe_ends_it_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    done = mmkd('--help', capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, '')


def test_without_any_package(tmp_path):
    version = subprocess.run([*WITHOUT_SITE, '--version'], capture_output=True, text=True, cwd=tmp_path)
    assert version.returncode == 0 and len(version.stdout.splitlines()) == 2
    doctor = subprocess.run([*WITHOUT_SITE, 'doctor'], capture_output=True, text=True, cwd=tmp_path)
    assert doctor.returncode == 1 and doctor.stderr == ''
    assert [line.split()[:4] for line in doctor.stdout.splitlines() if ' mmengine ' in line][0] == [
        'error', 'mmengine', 'not', 'installed']
