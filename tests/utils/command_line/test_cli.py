"""What the command-line tools share: looking for the data, and errors of one line."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.registry import MODELS

from mmkd.utils import UserError
from mmkd.utils.command_line.cli import PROGRAM, ToolParser, one_line_errors


def failing(error: BaseException) -> int:
    @one_line_errors
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as exit:
        main()
    return exit.value.code


def test_a_tool_has_the_name_that_it_was_called_by(monkeypatch):
    """Its commands as well; tools that it starts do not inherit the name."""
    monkeypatch.setenv(PROGRAM, 'mmkd zoo')
    parser = ToolParser(prog='python -m mmkd.zoo')
    command = parser.add_subparsers().add_parser('list')
    assert (parser.prog, command.prog) == ('mmkd zoo', 'mmkd zoo list')
    assert PROGRAM not in os.environ and ToolParser(prog='another').prog == 'another'


def test_a_users_mistake_is_one_line(capsys):
    assert failing(UserError('expects A,\n  got B.')) == 2
    assert capsys.readouterr() == ('', 'error: expects A, got B.\n')


def test_the_interrupt_key_is_no_error(capsys):
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == 'interrupted\n'


@pytest.mark.parametrize(('kind', 'message'), [
    ('mmkd.ConvNest', "expects a registered model, got 'mmkd.ConvNest'. Did you mean mmkd.ConvNeSt"),
    ('ConvNest', 'mmkd.ConvNeSt'),
    ('Nonsense12345', "expects a registered model, got 'Nonsense12345'. Check its spelling and its scope.\n")])
def test_an_unknown_type_is_one_line_with_the_nearest(capsys, kind, message):
    with pytest.raises(KeyError) as caught:
        MODELS.build(dict(type=kind))
    assert failing(caught.value) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('error', [KeyError('depths'), KeyError(), ValueError('a bug')])
def test_a_bug_keeps_its_traceback(error):
    @one_line_errors
    def main() -> None:
        raise error

    with pytest.raises(type(error)):
        main()


ROOT_FOLDER = Path(__file__).parents[3]


@pytest.mark.parametrize('command', [
    ('-m', 'mmkd.zoo', 'list'), pytest.param(('-m', 'mmkd.zoo', '--help'), marks=pytest.mark.slow),
    pytest.param(('tools/train.py', '--help'), marks=pytest.mark.slow)])
def test_a_reader_that_has_gone_is_no_error(command):
    """What ``| head`` does once it has read enough: little is printed, so that it lies in a buffer until the end."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, *command], stdout=writing, stderr=subprocess.PIPE, text=True,
                          cwd=ROOT_FOLDER)
    os.close(writing)
    stderr = [line for line in done.stderr.splitlines()  # but PyTorch 2.4's warning where MMEngine is imported
              if 'TorchScript' not in line and 'from torch.distributed.optim import' not in line]
    assert stderr == [] and (done.returncode == 141 or '--help' in command)  # which argparse itself keeps quiet


def test_a_closed_pipe_hides_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, '-m', 'mmkd.zoo', 'list', 'none*'], stdout=writing, stderr=subprocess.PIPE,
                          text=True, cwd=ROOT_FOLDER)
    os.close(writing)
    assert done.returncode == 2 and "got 'none*'" in done.stderr
