"""Running commands side by side: dependencies, resuming, and stopping without leftovers."""
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from mmkd.utils.errors import UserError
from mmkd.utils.files.small import move_aside, read_json, write_json

from .folders import DONE, UNFINISHED, remove_job_folder
from .warm_start import Forked, WarmStart

POLL_SECONDS, TICK_SECONDS = 0.1, 1.0
GRACE_SECONDS = 5.0  # between asking a child to end and making it
OUTPUT = 'output.txt'


class JobError(RuntimeError):
    """A job's command failed.

    Args:
        job: The job.
        reason: What happened.
    """

    def __init__(self, job: 'Job', reason: str) -> None:
        super().__init__(f'{job.name} {reason}')
        self.job = job


@dataclass
class Job:
    """One command with a folder of its own.

    The folder holds ``output.txt`` (what the command printed), ``run.json`` (while it is unfinished) and
    ``done.json`` (written last, at once, with the metrics, the seconds and the key).

    Args:
        name: A short unique name.
        folder: Its folder; emptied when the job starts anew. What it finished or saved with another key is moved
            aside.
        arguments: The command; an entry that is a function is called when the job starts.
        key: What decides the result. A finished job with another key runs anew.
        needs: Names of the jobs that have to be done before.
        cost: Expected seconds, for the order and the progress only.
        threads: ``OMP_NUM_THREADS`` of the command.
    """
    name: str
    folder: Path
    arguments: Sequence[str | Callable[[], str]]
    key: str
    needs: tuple[str, ...] = ()
    cost: float = 1.0
    threads: int = 1
    seconds: float = field(default=0.0, init=False)
    kept: float = field(default=0.0, init=False)  # seconds of its interrupted parts that it goes on from
    started: float = field(default=0.0, init=False)  # clock time of its present part
    earlier: Path | None = field(default=None, init=False)  # where its folder of another key has been moved
    warm: ClassVar[bool] = False  # whether the command is a Python script that imports all of OpenMMLab

    def command(self, resume: bool) -> list[str]:
        """The command, once the jobs that it needs are done.

        Args:
            resume: Whether an interrupted run goes on.
        """
        return [part() if callable(part) else part for part in self.arguments]

    def progress(self) -> tuple[int, int]:
        """Steps done and steps in all, while the command runs."""
        return 0, 1

    def collect(self) -> dict | None:
        """What to keep in ``done.json``; None if the results are not complete."""
        return {}

    def failed_result(self) -> dict | None:
        """What to keep of a command that failed, where that is a result; None if it is an error."""
        return None

    def can_resume(self) -> bool:
        """Whether an interrupted run can go on from what its folder holds."""
        return False

    def saved_at(self) -> float | None:
        """The clock time at which was written what an interrupted run goes on from; None if it is not known."""
        return None

    def done(self) -> dict | None:
        """Reads ``done.json``; None if the job is not done, or was done with another key."""
        content = read_json(self.folder / DONE)
        return content if content.get('key') == self.key else None

    def begun(self) -> dict | None:
        """Reads ``run.json``; None if no run with this key was interrupted."""
        content = read_json(self.folder / UNFINISHED)
        return content if content.get('key') == self.key else None

    def prepare(self) -> bool:
        """Makes the folder ready.

        Returns:
            Whether an interrupted run is there to go on with.
        """
        begun = self.begun()
        resume = begun is not None and self.can_resume()
        self.seconds = self.kept = self._kept_seconds(begun) if resume else 0.0
        worth_keeping = [DONE, *[UNFINISHED] * self.can_resume()]
        other = any(read_json(self.folder / name).get('key', self.key) != self.key for name in worth_keeping)
        if not resume and (other or not remove_job_folder(self.folder)):
            self.earlier = move_aside(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        return resume

    def _kept_seconds(self, begun: dict) -> float:
        """The seconds of interrupted parts, without those after the state that the run goes on from."""
        saved = self.saved_at()
        if saved is None or 'started' not in begun or self.collect() is not None:
            return begun['seconds']
        return begun['kept'] + max(0.0, saved - begun['started'])

    def note(self) -> None:
        """Writes ``run.json``."""
        self.save(UNFINISHED, kept=round(self.kept, 1), started=round(self.started, 1))

    def save(self, name: str, **content: object) -> None:
        """Writes one of the job's two files, with the key and the seconds."""
        write_json(self.folder / name, dict(key=self.key, seconds=round(self.seconds, 1), **content))


@dataclass
class _Running:
    """A job whose command runs; ``start`` is set back by the kept seconds of its interrupted parts."""
    job: Job
    command: list[str]
    process: subprocess.Popen | Forked
    start: float


class Observer(Protocol):
    """What a :class:`Scheduler` tells of its jobs."""

    def started(self, job: Job, command: list[str], resumed: bool) -> None:
        """A command was started."""

    def finished(self, job: Job) -> None:
        """A job is done."""

    def tick(self, running: list[Job]) -> None:
        """Some time has passed."""


class Scheduler:
    """Runs jobs in slots, each as soon as what it needs is done; of those that are ready, the longest path first.

    Args:
        jobs: The jobs; those that are done already are left out.
        slots: How many run side by side.
        observer: Is told what happens.
        env: Environment of the commands; ``OMP_NUM_THREADS`` is set for each.
        pass_fds: Open files that the children inherit, such as a lock.
    """

    def __init__(self, jobs: Sequence[Job], slots: int, observer: Observer, env: dict[str, str] | None = None,
                 pass_fds: tuple[int, ...] = ()) -> None:
        self.slots, self.observer = slots, observer
        self._starter = WarmStart(dict(os.environ if env is None else env), pass_fds)
        self._done = {job.name for job in jobs if job.done()}
        path = longest_paths(jobs)
        self._waiting = sorted((job for job in jobs if job.name not in self._done), key=lambda job: -path[job.name])
        self._running: list[_Running] = []
        self._next_tick = 0.0

    def run(self) -> None:
        """Runs all jobs.

        Raises:
            JobError: A command failed; the others were stopped.
        """
        try:
            while self._waiting or self._running:
                self._start_ready()
                self._tick()
                time.sleep(POLL_SECONDS)
                self._reap()
        finally:
            self._stop()

    def _start_ready(self) -> None:
        for job in list(self._waiting):
            if len(self._running) < self.slots and self._done.issuperset(job.needs):
                self._waiting.remove(job)
                self._start(job)

    def _start(self, job: Job) -> None:
        resume = job.prepare()
        metrics = job.collect() if resume else None
        if metrics is not None:  # all but the marker was there
            self._finish(job, metrics, job.command(resume))
            return
        command, job.started = job.command(resume), time.time()
        job.note()
        # In a session of its own, Ctrl-C reaches the child through _stop only.
        process = self._starter.start(command, job.folder / OUTPUT, job.threads, job.warm)
        self._running.append(_Running(job, command, process, time.monotonic() - job.seconds))
        self.observer.started(job, command, resume)

    def _tick(self) -> None:
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + TICK_SECONDS
            jobs = [running.job for running in self._running]
            for job in jobs:
                job.note()
            self.observer.tick(jobs)

    def _reap(self) -> None:
        for running in list(self._running):
            job, status = running.job, running.process.poll()
            job.seconds = time.monotonic() - running.start
            if status is None:
                continue
            self._running.remove(running)
            metrics = job.failed_result() if status else job.collect()
            if status and metrics is None:
                raise JobError(job, f'failed with exit status {status}.')
            if metrics is None:
                raise JobError(job, 'ended without its results.')
            self._finish(job, metrics, running.command)

    def _finish(self, job: Job, metrics: dict, command: list[str]) -> None:
        job.save(DONE, metrics=metrics, command=command)
        (job.folder / UNFINISHED).unlink(missing_ok=True)
        self._done.add(job.name)
        self.observer.finished(job)

    def _stop(self) -> None:
        self._starter.settle(GRACE_SECONDS)
        processes = [running.process for running in self._running if running.process.pid is not None]
        for process in processes:
            signal_group(process, signal.SIGTERM)
        _wait(processes)
        for process in processes:
            signal_group(process, signal.SIGKILL)  # also what a child left behind
        _wait(processes)
        self._starter.close()
        self._running.clear()


def _wait(processes: Sequence[subprocess.Popen | Forked]) -> None:
    """Waits until all have ended, for a while."""
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(process.poll() is None for process in processes):
        time.sleep(0.05)


def signal_group(process: subprocess.Popen | Forked, number: int) -> None:
    """Sends a signal to a child and to all that it started."""
    if process.pid is not None:  # a fork that has not begun
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def longest_paths(jobs: Sequence[Job]) -> dict[str, float]:
    """For each job, the expected seconds of the longest chain of jobs that begins with it.

    Raises:
        UserError: A job needs one that is not there, or they need each other in a circle.
    """
    followers: dict[str, list[str]] = {job.name: [] for job in jobs}
    costs = {job.name: job.cost for job in jobs}
    for job in jobs:
        for name in job.needs:
            if name not in followers:
                raise UserError(f'job {job.name} needs {name!r}, which is no job. Valid: {", ".join(followers)}.')
            followers[name].append(job.name)
    paths: dict[str, float] = {}
    while len(paths) < len(jobs):
        ready = [name for name in followers if name not in paths and all(n in paths for n in followers[name])]
        if not ready:
            raise UserError('jobs expect needs without a circle, got one among '
                            f'{", ".join(set(followers) - set(paths))}.')
        for name in ready:
            paths[name] = costs[name] + max((paths[follower] for follower in followers[name]), default=0)
    return paths
