"""Tools as forks of a process that has done the imports: as the same commands in processes of their own."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mmkd.experiments.jobs.scheduler import Job, JobError, Scheduler
from mmkd.experiments.jobs.training import TrainingJobs, TrainJob
from mmkd.experiments.jobs.warm_start import Forked, WarmStart

from .test_scheduler import Silent, alive, wait_for

ROOT = Path(__file__).parents[3]
SCRIPT = """
import os, random, sys, torch
print(sys.argv, __name__, os.getcwd(), sys.path[0], os.getsid(0) == os.getpid(), os.environ['OMP_NUM_THREADS'],
      torch.get_num_threads(), sys.stdin.read() == '', 'neighbour' in sys.modules)
print('to stderr', file=sys.stderr)
import neighbour
"""
WARM = """
import random, sys
print('mmdet.models' in sys.modules)
import numpy, torch
print(random.random(), numpy.random.rand(), torch.rand(1).item())
"""
environment = os.environ | dict(PYTHONPATH=str(ROOT), CUDA_VISIBLE_DEVICES='')


@pytest.fixture(scope='module')
def warm():
    start = WarmStart(environment)
    yield start
    start.settle(1)
    start.close()


def finish(process, seconds=120):
    wait_for(lambda: process.poll() is not None, seconds)
    return process.poll()


def run(starter, folder, code, *arguments, warm=True):
    """Runs a script; returns its status and what it printed."""
    folder.mkdir(exist_ok=True)
    (folder / 'script.py').write_text(code)
    (folder / 'neighbour.py').touch()
    output = folder / f'output-{warm}.txt'
    process = starter.start([sys.executable, str(folder / 'script.py'), *arguments], output, 1, warm)
    assert isinstance(process, Forked if warm else subprocess.Popen)
    return finish(process), output.read_text()


def test_a_fork_is_what_python_makes_of_a_script(warm, tmp_path):
    forked = run(warm, tmp_path, SCRIPT, '--flag', 'a word')
    assert forked == run(warm, tmp_path, SCRIPT, '--flag', 'a word', warm=False) and forked[0] == 0
    assert '__main__' in forked[1] and 'to stderr' in forked[1] and 'True 1 1 True' in forked[1]


def test_forks_have_done_the_imports_and_draw_differently(warm, tmp_path):
    first, second = (run(warm, tmp_path / name, WARM)[1].split() for name in 'ab')
    assert first[0] == second[0] == 'True' and not set(first[1:]) & set(second[1:])


@pytest.mark.parametrize('code, status, said', [
    ('raise SystemExit(3)', 3, ''), ('import os, signal; os.kill(os.getpid(), signal.SIGTERM)', -15, ''),
    ('print("first"); raise KeyError("lost")', 1, "KeyError: 'lost'"), ('def', 1, 'SyntaxError'),
    ('import sys; sys.exit("a sentence")', 1, 'a sentence')])
def test_how_a_fork_ends(warm, tmp_path, code, status, said):
    forked = run(warm, tmp_path, code)
    assert forked[0] == status == run(warm, tmp_path, code, warm=False)[0] and said in forked[1]


def test_forks_can_be_switched_off(tmp_path):
    starter = WarmStart(environment | dict(MMKD_FORKS='0'))
    process = starter.start([sys.executable, '-c', 'print(1)'], tmp_path / 'output.txt', 1, True)
    assert isinstance(process, subprocess.Popen) and process.wait() == 0
    starter.settle(1)
    starter.close()


class Tool(Job):
    warm = True


def test_interrupt_leaves_no_process(tmp_path, warm, monkeypatch):
    """The forks, and what they started, end with the scheduler, even if they take no notice of SIGTERM."""
    (tmp_path / 'script.py').write_text(
        'import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
        'inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])\n'
        'open(sys.argv[1] + ".tmp", "w").write(f"{os.getpid()} {inner.pid}")\n'
        'os.rename(sys.argv[1] + ".tmp", sys.argv[1])\ntime.sleep(60)\n')
    monkeypatch.setattr('mmkd.experiments.jobs.scheduler.GRACE_SECONDS', 0.5)

    class Interrupting(Silent):
        def tick(self, running):
            if (tmp_path / 'pids').exists():
                raise KeyboardInterrupt

    scheduler = Scheduler([Tool('a', tmp_path / 'a', [sys.executable, str(tmp_path / 'script.py'),
                                                      str(tmp_path / 'pids')], key='')], 1, Interrupting(), environment)
    with pytest.raises(KeyboardInterrupt):
        scheduler.run()
    pids = [int(text) for text in (tmp_path / 'pids').read_text().split()]
    wait_for(lambda: not any(map(alive, pids)), seconds=2)
    assert (tmp_path / 'a/run.json').exists()


def test_of_a_killed_scheduler_only_the_tools_go_on(tmp_path):
    """As without forks: the warm process ends, and what was started is there until it is done."""
    (tmp_path / 'script.py').write_text(
        'import os, sys, time\nopen(sys.argv[1], "w").write(f"{os.getpid()} {os.getppid()} ")\ntime.sleep(60)\n')
    program = ('import os, sys, time\nfrom pathlib import Path\n'
               'from mmkd.experiments.jobs.warm_start import WarmStart\nstarter = WarmStart(dict(os.environ))\n'
               'process = starter.start([sys.executable, "script.py", "pids"], Path("output.txt"), 1, True)\n'
               'while process.poll() is None: time.sleep(0.1)\n')
    process = subprocess.Popen([sys.executable, '-c', program], cwd=tmp_path, env=environment, start_new_session=True)
    wait_for(lambda: (tmp_path / 'pids').is_file() and (tmp_path / 'pids').read_text().endswith(' '), 120)
    fork, server = map(int, (tmp_path / 'pids').read_text().split())
    assert alive(fork) and alive(server)
    process.kill()
    process.wait()
    wait_for(lambda: not alive(server), 20)
    assert alive(fork)
    os.killpg(fork, signal.SIGKILL)
    wait_for(lambda: not alive(fork), 5)


def test_a_warm_process_that_is_killed_takes_its_forks_along(tmp_path):
    starter = WarmStart(environment)
    (tmp_path / 'script.py').write_text('import time; time.sleep(60)')
    process = starter.start([sys.executable, str(tmp_path / 'script.py')], tmp_path / 'output.txt', 1, True)
    wait_for(lambda: process.poll() is None and process.pid is not None, 120)
    os.kill(process.server._process.pid, signal.SIGKILL)
    assert finish(process, 20) == -signal.SIGKILL
    wait_for(lambda: not alive(process.pid), 5)
    again = starter.start([sys.executable, '-c', 'print(1)'], tmp_path / 'again.txt', 1, True)
    assert finish(again) == 0 and (tmp_path / 'again.txt').read_text() == '1\n'  # in a process of its own
    starter.close()


@pytest.mark.slow
@pytest.mark.parametrize('name, code', [
    ('sitecustomize.py', 'import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()'),
    ('mmseg.py', 'raise ImportError("broken")')])
def test_what_cannot_be_forked_gets_a_process_of_its_own(tmp_path, name, code):
    """An import that starts a thread, which a fork would lack, and one that fails."""
    (tmp_path / name).write_text(code)
    starter = WarmStart(environment | dict(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)])))
    assert run(starter, tmp_path / 'run', 'import sys; print("torch" in sys.modules)') == (0, 'False\n')
    starter.close()


def test_a_failing_tool_stops_the_others(tmp_path):
    (tmp_path / 'fails.py').write_text('print("broken"); raise SystemExit(2)')
    with pytest.raises(JobError, match='a failed with exit status 2'):
        Scheduler([Tool('a', tmp_path / 'a', [sys.executable, str(tmp_path / 'fails.py')], key='')], 1, Silent(),
                  environment).run()
    assert (tmp_path / 'a/output.txt').read_text() == 'broken\n'


@pytest.mark.slow
def test_a_training_ends_with_the_same_bits(home, tmp_path, monkeypatch):
    """A run as a fork, and in a process of its own: weights, optimizer states and figures are equal."""
    monkeypatch.chdir(home)
    options = {'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 2, 'train_dataloader.dataset.times': 2}
    results = []
    for kind in (True, False):
        monkeypatch.setattr(TrainJob, 'warm', kind)
        config = ROOT / 'configs/quickstart/convnest-mini_digits-5shot.py'
        job = TrainingJobs().job('run', tmp_path / str(kind), str(config), options)
        job.arguments[1] = str(ROOT / 'tools/train.py')
        start = time.monotonic()
        Scheduler([job], 1, Silent(), environment).run()
        print(f'{"fork" if kind else "process"}: {time.monotonic() - start:.1f} s')
        results.append((job.done()['metrics'], torch.load(job.folder / 'epoch_2.pth', weights_only=False)))
    (figures, forked), (others, spawned) = results
    assert figures == others and forked['state_dict'].keys() == spawned['state_dict'].keys()
    assert all(torch.equal(value, spawned['state_dict'][name]) for name, value in forked['state_dict'].items())
    for number, state in forked['optimizer']['state'].items():
        assert torch.equal(state['exp_avg_sq'], spawned['optimizer']['state'][number]['exp_avg_sq'])
