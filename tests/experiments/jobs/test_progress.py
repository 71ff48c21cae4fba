import re
import sys

import pytest

from mmkd.experiments.jobs.progress import JobProgress, clock, shell_command
from mmkd.experiments.jobs.scheduler import Job


class Half(Job):
    def progress(self):
        return 10, 20


def test_plain_lines(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: False, raising=False)
    jobs = [Half('long', tmp_path / 'long', ['x'], 'k', cost=6.), Job('short', tmp_path / 'short', ['x'], 'k', cost=2.)]
    progress = JobProgress(jobs, line_seconds=0)
    progress.tick([])
    progress.started(jobs[0], [sys.executable, 'tools/train.py', 'a b'], resumed=False)
    progress.finished(jobs[1])
    progress.tick([jobs[0]])
    progress.close()
    output = capsys.readouterr()
    assert output.err == ''
    lines = output.out.splitlines()
    assert re.fullmatch(r'0%, 0:0\d so far, about 0:0[89] left; running: nothing', lines[0])  # as expected
    assert lines[1:4] == ['Start long:', "  python tools/train.py 'a b'", 'Done: short (0:00).']
    assert lines[4].startswith('62%') and lines[4].endswith('running: long 10/20')
    assert '\r' not in output.out and '\x1b' not in output.out


def test_what_was_done_before_counts(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: False, raising=False)
    jobs = [Job(name, tmp_path / name, ['x'], 'k') for name in 'ab']
    (tmp_path / 'a').mkdir()
    jobs[0].save('done.json', metrics={})
    JobProgress(jobs, line_seconds=0).tick([])
    assert capsys.readouterr().out.startswith('50%')


def test_bar_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True, raising=False)
    job = Half('long', tmp_path / 'long', ['x'], 'k', cost=6.)
    progress = JobProgress([job])
    progress.started(job, ['python'], resumed=True)
    progress.tick([job])
    progress.close()
    output = capsys.readouterr()
    assert 'Go on with long' in output.out
    assert '50%' in output.err and 'long 10/20' in output.err


def test_time_left_follows_what_is_measured(tmp_path, monkeypatch):
    now = iter([0.0, 300.0])
    monkeypatch.setattr('mmkd.experiments.jobs.progress.time.monotonic', lambda: next(now))
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: False, raising=False)
    progress = JobProgress([Half('long', tmp_path / 'long', ['x'], 'k', cost=200.)], slots=2)
    assert progress._left(100.) == pytest.approx(100 / (160 / 330))  # twice as slow as expected, and a bit


@pytest.mark.parametrize('seconds, text', [(0, '0:00'), (59.6, '1:00'), (600, '10:00'), (3661, '1:01:01')])
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_shown():
    assert shell_command([sys.executable, '-c', 'a b']) == "python -c 'a b'"
