"""Timing the start: only that the tool works."""
import re

from ..conftest import call

TOOL = 'analysis_tools/benchmark_startup.py'


def test_prints_a_line_a_snippet(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('subprocess.run', lambda command, **_: type('Result', (), dict(stdout='talk\n0.25\n')))
    assert call(TOOL, '--rounds', '1', cwd=tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'seconds, medians of 1 rounds' and len(lines) > 5
    assert all(re.match(r'   0\.25  \S', line) for line in lines[1:])
