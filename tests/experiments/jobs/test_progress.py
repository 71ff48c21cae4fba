import re
import sys

import pytest

from mmkd.experiments.jobs.progress import JobProgress, shell_command
from mmkd.experiments.jobs.scheduler import Job


class Half(Job):
    def progress(self):
        return 10, 20


def test_plain_lines(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: False, raising=False)
    jobs = [Half('long', tmp_path / 'long', ['x'], 'k', cost=6.), Job('short', tmp_path / 'short', ['x'], 'k', cost=2.)]
    jobs[0].earlier = tmp_path / 'long.1'
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
    assert lines.pop(1).endswith(f'such as a run of other settings, is kept in {tmp_path}/long.1.')
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


@pytest.mark.parametrize('resumed', [True, False])
def test_a_run_begun_before_counts_until_it_starts(tmp_path, capsys, monkeypatch, resumed):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: False, raising=False)
    now = [0.0]
    monkeypatch.setattr('mmkd.experiments.jobs.progress.time.monotonic', lambda: now[0])
    jobs = [Half('begun', tmp_path / 'begun', ['x'], 'k', cost=80.),
            Job('next', tmp_path / 'next', ['x'], 'k', cost=60.)]
    (tmp_path / 'begun').mkdir()
    jobs[0].note()
    progress = JobProgress(jobs, line_seconds=0)
    now[0] = 30.0
    progress.tick([jobs[1]])
    line = capsys.readouterr().out  # of 140 s 40 are done, and nothing in the 30 s since: half the expected speed
    assert line.startswith('29%') and 'about 3:20 left' in line
    progress.finished(jobs[1])
    progress.started(jobs[0], ['python'], resumed)
    now[0] = 60.0
    progress.tick([jobs[0]])
    line = capsys.readouterr().out.splitlines()[-1]  # 60 s of work in 60 s, or 100 with what was done a second time
    assert line.startswith('71%') and f'about {"0:40" if resumed else "0:28"} left' in line


def test_a_run_whose_results_were_there_counts_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: False, raising=False)
    monkeypatch.setattr('mmkd.experiments.jobs.progress.time.monotonic', lambda: 0.0)
    jobs = [Half('whole', tmp_path / 'whole', ['x'], 'k', cost=80.),
            Job('next', tmp_path / 'next', ['x'], 'k', cost=20.)]
    (tmp_path / 'whole').mkdir()
    jobs[0].note()
    progress = JobProgress(jobs, line_seconds=0)
    progress.finished(jobs[0])  # as the scheduler does where only the marker was missing
    progress.tick([jobs[1]])
    assert capsys.readouterr().out.splitlines()[-1].startswith('80%, 0:00 so far, about 0:20 left')
    assert progress._left(120.) == 0


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


def test_shown():
    assert shell_command([sys.executable, '-c', 'a b']) == "python -c 'a b'"
