"""The frame of tools that run jobs: progress, interruption, and errors that say what to do."""
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from mmkd.utils.files.small import lock_folder

from .progress import JobProgress
from .scheduler import OUTPUT, Job, JobError, Scheduler

TAIL_LINES = 30
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


class _ObservedProgress(JobProgress):
    """Progress that calls a function now and then."""

    def __init__(self, jobs: list[Job], slots: int, on_tick: Callable[[], None]) -> None:
        super().__init__(jobs, slots)
        self._on_tick = on_tick

    def tick(self, running: list[Job]) -> None:
        super().tick(running)
        self._on_tick()


def run_jobs(jobs: list[Job], slots: int, root: Path, lock: int, on_tick: Callable[[], None] = lambda: None) -> None:
    """Runs jobs to the end, with a progress bar.

    Args:
        jobs: The jobs; those that are done are left out.
        slots: How many run side by side.
        root: The checkout, whose ``mmkd`` the jobs import.
        lock: The open lock file of the work dir, which the children inherit.
        on_tick: Is called about once a second.

    Raises:
        JobError: A job failed; the others were stopped.
    """
    search = os.pathsep.join(filter(None, [str(root), os.environ.get('PYTHONPATH')]))
    env = os.environ | dict(PYTHONPATH=search, MPLBACKEND='Agg')
    progress = _ObservedProgress(jobs, slots, on_tick)
    try:
        Scheduler(jobs, slots, progress, env, pass_fds=(lock, )).run()
    finally:
        progress.close()


def run_interruptible(work: Callable[[int], None], work_dir: Path) -> int:
    """Runs a tool's work in a locked folder; failed jobs and signals end it with one line and without leftovers.

    Args:
        work: Takes the open lock file.
        work_dir: The folder.

    Returns:
        The exit status.
    """
    caught: list[int] = []

    def interrupt(number: int, _: object) -> None:
        caught.append(number)
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # nothing disturbs the children's end
        raise KeyboardInterrupt

    for each in SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:  # as nohup does
            signal.signal(each, interrupt)
    try:
        with lock_folder(work_dir) as lock:
            work(lock)
    except JobError as error:
        _explain(error)
        return 1
    except KeyboardInterrupt:
        print('\ninterrupted; nothing is left running. The same command goes on from here.', file=sys.stderr)
        return 128 + caught[0]
    return 0


def printed(job: Job) -> str:
    """What a job's command has printed so far."""
    path = job.folder / OUTPUT
    return path.read_text(encoding='utf-8', errors='replace') if path.is_file() else ''


def _explain(error: JobError) -> None:
    """Prints the end of what a failed command printed, and where the rest is."""
    print('\n'.join(printed(error.job).splitlines()[-TAIL_LINES:]), file=sys.stderr)
    print(f'error: {error} The whole output: {error.job.folder / OUTPUT}. The same command runs it again and keeps '
          'what is done.', file=sys.stderr)
