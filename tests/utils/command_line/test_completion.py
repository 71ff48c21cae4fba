"""The words that a shell completes, in a real one; the options are those of the tools' parsers."""
import argparse
import runpy
import shutil
import subprocess
import sys

import pytest

from mmkd.cli import COMMANDS
from mmkd.utils.command_line.cli import ToolParser
from mmkd.utils.command_line.completion import main, read_options, script, tool_file

TABLE = {name: (command.tool, command.words) for name, command in COMMANDS.items()}
ASK = '''
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_mmkd
printf '%s\\n' "${COMPREPLY[@]}"
'''
needs_bash = pytest.mark.skipif(shutil.which('bash') is None, reason='bash is missing')


class Parser(BaseException):
    """Carries a parser out of its tool."""


@pytest.fixture(scope='module')
def complete(tmp_path_factory):
    """Completes the last word of a line in bash, in a folder with two files."""
    folder = tmp_path_factory.mktemp('folder')
    path = folder / 'completion.sh'
    path.write_text(script('bash', TABLE))
    (folder / 'my recipe.py').touch()
    (folder / 'scale.py').touch()

    def ask(*words: str) -> list[str]:
        done = subprocess.run(['bash', '--norc', '-c', ASK, 'bash', path.name, 'mmkd', *words], cwd=folder,
                              capture_output=True, text=True)
        assert done.stderr == ''
        return done.stdout.split('\n')[:-1]
    return ask


@needs_bash
@pytest.mark.parametrize(('words', 'expected'), [
    (['tr'], ['train']), (['co'], ['compare', 'convert', 'completion']), (['benchmark', 's'], ['step', 'scalekd',
     'startup', 'scale.py']), (['train', '--no'], ['--no-validate']),
    (['benchmark', 'step', '--nan'], ['--nan-guard']), (['train', '--launcher', 'p'], ['pytorch']),
    (['zoo', 'd'], ['download']), (['zoo', 'list', 'd'], ['']), (['train', 'my'], ['my recipe.py']),
    (['train', '--work-dir', 'sc'], [])])
def test_bash(complete, words, expected):
    found = complete(*words)
    assert found == expected if expected else 'scale.py' in found


@needs_bash
def test_bash_names_configs(complete):
    found = complete('taps', 'quickstart/convnest-mini_slak-mini')
    assert 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py' in found
    assert len(complete('taps', '')) > 100 and complete('publish', 'quickstart/') == ['']
    assert not [name for name in complete('taps', '') if name.startswith('_base_')]


def parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """A parser and those of its commands."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [parser, *(child for action in inner for child in action.choices.values())]


@pytest.mark.parametrize('name', [name for name, (tool, _) in TABLE.items() if tool.endswith('.py')] + ['zoo'])
def test_options_are_those_of_the_parser(monkeypatch, name):
    def parse_args(self, *_):
        raise Parser(self)

    tool = TABLE[name][0]
    path = tool_file(tool)
    monkeypatch.setattr(ToolParser, 'parse_args', parse_args)
    monkeypatch.syspath_prepend(path.parent)
    monkeypatch.setattr(sys, 'argv', [path.name])
    with pytest.raises(Parser) as caught:
        run = runpy.run_path(str(path), run_name='__main__') if tool.endswith('.py') else runpy.run_module(
            tool, run_name='__main__')
        assert run is None  # not reached
    actions = [action for parser in parsers(caught.value.args[0]) for action in parser._actions]
    options = {option for action in actions if action.help != argparse.SUPPRESS for option in action.option_strings}
    assert set(read_options(path).names) == options - {'-h'}


def test_zsh_has_the_same_words(capsys):
    assert main(['zsh'], TABLE) == 0
    zsh = capsys.readouterr().out
    assert zsh.endswith(script('bash', TABLE)) and 'bashcompinit\n_mmkd() {' in zsh


def test_another_shell(capsys):
    with pytest.raises(SystemExit, match='2'):
        main(['fish'], TABLE)
    assert 'usage: mmkd completion' in capsys.readouterr().err
