"""The report: a line a thing, JSON, and the exit status."""
import json

import pytest

from mmkd.doctor import report
from mmkd.doctor.finding import ERROR, OK, WARNING, Finding

GOOD, SLOW = Finding(OK, 'Python', '3.12.3'), Finding(WARNING, 'GPU', 'none', 'Buy one.')
BAD = Finding(ERROR, 'mmcv', 'not installed', 'Install it.')


@pytest.fixture
def machine(monkeypatch):
    """Sets what is found."""
    def found(*findings: Finding) -> None:
        monkeypatch.setattr(report, 'package_findings', lambda: [GOOD])
        monkeypatch.setattr(report, 'torch_findings', lambda: list(findings))
        monkeypatch.setattr(report, 'machine_findings', lambda: [])
    return found


def test_a_line_a_thing(machine, capsys):
    machine(SLOW, BAD)
    assert report.main([]) == 1
    assert capsys.readouterr().out == (
        'ok       Python  3.12.3\n'
        'warning  GPU     none\n'
        '                 -> Buy one.\n'
        'error    mmcv    not installed\n'
        '                 -> Install it.\n\n'
        '1 error, 1 warning\n')


def test_a_warning_is_no_error(machine, capsys):
    machine(SLOW)
    assert report.main([]) == 0 and capsys.readouterr().out.endswith('\nno errors, 1 warning\n')


def test_json(machine, capsys):
    machine(BAD)
    assert report.main(['--json']) == 1
    assert json.loads(capsys.readouterr().out)[1] == dict(
        status='error', what='mmcv', found='not installed', mend='Install it.')


def test_this_machine(capsys):
    """Where the tests run, nothing that they need is missing."""
    assert report.main(['--json']) == 0
    found = {finding['what'] for finding in json.loads(capsys.readouterr().out)}
    assert {'torch', 'mmcv ops', 'Triton', 'CPU cores', 'free space in this folder'} <= found
