import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmkd.experiments.jobs.progress import JobProgress
from mmkd.experiments.jobs.scheduler import Job, JobError, Scheduler, longest_paths
from mmkd.utils import UserError
from mmkd.utils.files.small import read_json

LOG = "open({log!r}, 'a').write({name!r} + '\\n')"


class Silent:
    def __init__(self):
        self.events = []

    def started(self, job, command, resumed):
        self.events.append(('resumed' if resumed else 'started', job.name))

    def finished(self, job):
        self.events.append(('finished', job.name))

    def tick(self, running):
        self.events.append(('running', *sorted(job.name for job in running)))


class Resumable(Job):
    """Like a training run: its command makes two steps, and goes on after the one it made."""

    def can_resume(self):
        return (self.folder / 'checkpoint').is_file()

    def collect(self):
        return dict(steps=2) if (self.folder / 'result').is_file() else None


def job(folder, name, code='pass', kind=Job, **options):
    options = dict(key='a') | options
    return kind(name, folder / name, [sys.executable, '-c', code], **options)


def run(jobs, slots=2, **options):
    observer = Silent()
    Scheduler(jobs, slots, observer, **options).run()
    return observer.events


def alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().split()[2] != 'Z'
    except OSError:
        return False


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_order_follows_needs(tmp_path):
    log = str(tmp_path / 'log')
    jobs = [job(tmp_path, name, LOG.format(log=log, name=name), needs=needs)
            for name, needs in [('d', ('b', 'c')), ('b', ('a', )), ('c', ('a', )), ('a', ())]]
    run(jobs)
    order = Path(log).read_text().split()
    assert sorted(order) == ['a', 'b', 'c', 'd']
    assert order[0] == 'a' and order[-1] == 'd'


def test_longest_path_goes_first(tmp_path):
    jobs = [job(tmp_path, 'short', cost=1), job(tmp_path, 'head', cost=1), job(tmp_path, 'long', cost=3),
            job(tmp_path, 'tail', cost=5, needs=('head', ))]
    assert longest_paths(jobs) == dict(short=1, head=6, long=3, tail=5)
    events = run(jobs, slots=1)
    assert [name for kind, name in events if kind == 'started'] == ['head', 'tail', 'long', 'short']


def test_slots_run_side_by_side(tmp_path):
    # each waits for the other: one after another they would never end
    code = "import pathlib, time; pathlib.Path({!r}).touch()\nwhile not pathlib.Path({!r}).exists(): time.sleep(0.01)"
    a, b = str(tmp_path / 'x'), str(tmp_path / 'y')
    run([job(tmp_path, 'a', code.format(a, b)), job(tmp_path, 'b', code.format(b, a))])


@pytest.mark.parametrize('needs, message', [(('missing', ), "needs 'missing'"), (('b', ), 'circle')])
def test_impossible_needs(tmp_path, needs, message):
    with pytest.raises(UserError, match=message):
        Scheduler([job(tmp_path, 'a', needs=needs), job(tmp_path, 'b', needs=('a', ))], 1, Silent())


def test_done_marker_and_output(tmp_path):
    [done] = jobs = [job(tmp_path, 'a', 'import os; print(os.environ["OMP_NUM_THREADS"])', threads=3)]
    run(jobs)
    content = read_json(tmp_path / 'a/done.json')
    assert content['key'] == 'a' and content['metrics'] == {} and content['command'] == done.command(False)
    assert content['seconds'] >= 0
    assert (tmp_path / 'a/output.txt').read_text() == '3\n'
    assert not (tmp_path / 'a/run.json').exists()


def test_only_changed_jobs_run_again(tmp_path):
    run([job(tmp_path, 'a'), job(tmp_path, 'b')])
    (tmp_path / 'a/result').touch()
    changed = job(tmp_path, 'a', key='new')
    events = run([changed, job(tmp_path, 'b')])
    assert [event for event in events if event[0] != 'running'] == [('started', 'a'), ('finished', 'a')]
    assert not (tmp_path / 'a/result').exists()
    assert (tmp_path / 'a.1/result').exists() and changed.earlier == tmp_path / 'a.1'  # no finished run is lost


def test_foreign_folder_is_moved_aside(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/thesis.txt').write_text('mine')
    run([job(tmp_path, 'a')])
    assert (tmp_path / 'a.1/thesis.txt').read_text() == 'mine'


@pytest.mark.parametrize('name', ['run.json', 'done.json'])
def test_a_foreign_folder_with_a_file_of_that_name_is_moved_aside(tmp_path, name):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / name).write_text('{"lr": 0.1}')
    run([job(tmp_path, 'a')])
    assert (tmp_path / 'a.1' / name).read_text() == '{"lr": 0.1}'


def test_failure_stops_the_others(tmp_path):
    sleeper = f'import os, time; open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid())); time.sleep(60)'
    failing = (f'import pathlib, sys, time\nwhile not pathlib.Path({str(tmp_path / "pid")!r}).exists(): '
               'time.sleep(0.01)\nprint("broken"); time.sleep(0.2); sys.exit(3)')
    with pytest.raises(JobError, match='failing failed with exit status 3') as caught:
        run([job(tmp_path, 'sleeper', sleeper), job(tmp_path, 'failing', failing)])
    assert (caught.value.job.folder / 'output.txt').read_text() == 'broken\n'
    assert not alive(int((tmp_path / 'pid').read_text()))
    assert not list(tmp_path.glob('*/done.json'))


def test_missing_results_are_a_failure(tmp_path):
    with pytest.raises(JobError, match='a ended without its results'):
        run([job(tmp_path, 'a', kind=Resumable)])


def test_interrupted_run_goes_on(tmp_path):
    code = ("import pathlib, sys, time; here = pathlib.Path({!r})\n"
            "if (here / 'checkpoint').exists(): (here / 'result').touch()\n"
            "else: (here / 'checkpoint').touch(); time.sleep(1); sys.exit(1)").format(str(tmp_path / 'a'))
    with pytest.raises(JobError):
        run([job(tmp_path, 'a', code, Resumable)])
    assert read_json(tmp_path / 'a/run.json')['key'] == 'a'
    events = run([job(tmp_path, 'a', code, Resumable)])
    assert ('resumed', 'a') in events
    content = read_json(tmp_path / 'a/done.json')
    assert content['metrics'] == dict(steps=2)
    assert content['seconds'] >= 0.9  # of both parts


def interrupted(folder, *files):
    """The folder of a run of other settings that did not come to its end."""
    (folder / 'a').mkdir()
    for name in files:
        (folder / 'a' / name).touch()
    (folder / 'a/run.json').write_text('{"key": "old", "seconds": 100}')


def test_interrupted_run_of_another_key_starts_over_and_is_kept(tmp_path, capsys):
    interrupted(tmp_path, 'checkpoint', 'result')
    changed = job(tmp_path, 'a', f'open({str(tmp_path / "a/result")!r}, "w")', Resumable)
    progress = JobProgress([changed])
    Scheduler([changed], 1, progress).run()
    progress.close()
    assert read_json(tmp_path / 'a/done.json')['seconds'] < 60
    assert not (tmp_path / 'a/checkpoint').exists()
    assert (tmp_path / 'a.1/checkpoint').exists() and read_json(tmp_path / 'a.1/run.json')['key'] == 'old'
    assert f'is kept in {tmp_path / "a.1"}.' in capsys.readouterr().out


def test_interrupted_run_of_another_key_without_a_saved_state_is_removed(tmp_path):
    interrupted(tmp_path, 'output.txt')
    run([job(tmp_path, 'a', f'open({str(tmp_path / "a/result")!r}, "w")', Resumable)])
    assert [path.name for path in tmp_path.iterdir()] == ['a']


def test_complete_run_without_marker_is_not_repeated(tmp_path):
    (tmp_path / 'a').mkdir()
    for name in ('checkpoint', 'result'):
        (tmp_path / 'a' / name).touch()
    (tmp_path / 'a/run.json').write_text('{"key": "a", "seconds": 100}')
    events = run([job(tmp_path, 'a', 'raise SystemExit(1)', Resumable)])
    assert events == [('finished', 'a'), ('running', )]
    assert read_json(tmp_path / 'a/done.json')['seconds'] == 100


@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='needs /proc')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_no_process(tmp_path, number):
    """The children, and what they started, end with the scheduler, even if they take no notice of SIGTERM."""
    child = ("import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
             "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
             f"path = {str(tmp_path)!r} + '/pids'\n"
             "open(path + '.tmp', 'w').write(f'{os.getpid()} {inner.pid}'); os.rename(path + '.tmp', path)\n"
             "time.sleep(60)")
    program = ('import signal, sys\nfrom pathlib import Path\nfrom mmkd.experiments.jobs import scheduler\n'
               'from tests.experiments.jobs.test_scheduler import Silent, job\nscheduler.GRACE_SECONDS = 0.2\n'
               'for number in (signal.SIGINT, signal.SIGTERM):\n'  # a shell starts background jobs deaf to SIGINT
               '    signal.signal(number, signal.default_int_handler)\n'
               f'scheduler.Scheduler([job(Path({str(tmp_path)!r}), "a", {child!r})], 1, Silent()).run()')
    root = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, '-c', program], cwd=root, stderr=subprocess.DEVNULL,
                               env=os.environ | dict(PYTHONPATH=str(root)), start_new_session=True)
    wait_for((tmp_path / 'pids').exists)
    pids = [int(text) for text in (tmp_path / 'pids').read_text().split()]
    assert all(map(alive, pids))
    process.send_signal(number)
    assert process.wait(20)
    wait_for(lambda: not any(map(alive, pids)), seconds=2)  # SIGKILL takes a moment
    assert (tmp_path / 'a/run.json').exists()
