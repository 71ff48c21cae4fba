"""The progress of jobs: a bar on a terminal, a plain line now and then elsewhere."""
import shlex
import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from mmkd.utils.command_line.durations import clock

from .scheduler import Job

LINE_SECONDS = 15.0
TRUSTED_SECONDS = 30.0  # what is expected counts as much as what was measured in this time


class JobProgress:
    """Tells how far all jobs are, which ones run, and about how long the rest takes.

    Jobs count by their expected seconds, since an iteration of one takes many times that of another.

    Args:
        jobs: All jobs, those done before included.
        slots: How many run side by side.
        line_seconds: Time between two lines where there is no terminal.
    """

    def __init__(self, jobs: Sequence[Job], slots: int = 1, line_seconds: float = LINE_SECONDS) -> None:
        self._done = {job.name: job.cost for job in jobs if job.done()}
        self._slots, self._line_seconds, self._start = slots, line_seconds, time.monotonic()
        self._next_line = self._start + line_seconds
        self._total = sum(job.cost for job in jobs)
        self._waiting = {job.name: _part(job) for job in jobs if job.begun() and job.name not in self._done}
        self._initial = sum(self._done.values()) + sum(self._waiting.values())
        self._bar = tqdm(total=self._total, initial=self._initial, dynamic_ncols=True, leave=False,
                         bar_format='{percentage:3.0f}% |{bar:20}| {elapsed}{postfix}', disable=not sys.stderr.isatty())

    def started(self, job: Job, command: list[str], resumed: bool) -> None:
        """Prints a job's command, to copy, and where what was in its folder lies now."""
        if job.earlier:
            self._print(f'{job.name} starts anew: what was in its folder, such as a run of other settings, is kept in '
                        f'{job.earlier}.')
        if not resumed:  # what an earlier run left of it is nothing that was done
            self._initial -= self._waiting.get(job.name, 0)
        self._waiting.pop(job.name, None)
        self._print(f'{"Go on with" if resumed else "Start"} {job.name}:\n  {shell_command(command)}')

    def finished(self, job: Job) -> None:
        """Prints how long a job took."""
        if job.name in self._waiting:  # never started, as its results were there: nothing that was done now
            self._initial += job.cost - self._waiting.pop(job.name)
        self._done[job.name] = job.cost
        self._print(f'Done: {job.name} ({clock(job.seconds)}).')

    def tick(self, running: list[Job]) -> None:
        """Brings the bar up to date, or prints a line when it is time to."""
        done, texts = sum([*self._done.values(), *self._waiting.values(), *map(_part, running)]), []
        for job in running:
            steps, total = job.progress()
            texts.append(f'{job.name} {steps}/{total}' if total > 1 else job.name)
        text = f'about {clock(self._left(done))} left; running: {", ".join(texts) or "nothing"}'
        if not self._bar.disable:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.n = max(done, self._bar.n)
            self._bar.refresh()
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + self._line_seconds
            print(f'{done / self._total:.0%}, {clock(time.monotonic() - self._start)} so far, {text}', flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()

    def _left(self, done: float) -> float:
        elapsed = time.monotonic() - self._start
        rate = (max(done - self._initial, 0.0) + self._slots * TRUSTED_SECONDS) / (elapsed + TRUSTED_SECONDS)
        return max(self._total - done, 0.0) / rate

    def _print(self, text: str) -> None:
        if self._bar.disable:
            print(text, flush=True)
        else:
            self._bar.write(text)


def _part(job: Job) -> float:
    """The expected seconds of what a job has done so far."""
    steps, total = job.progress()
    return job.cost * steps / max(total, 1)


def shell_command(command: Sequence[str]) -> str:
    """A command as it is typed, with ``python`` for the interpreter in use."""
    return shlex.join(['python' if word == sys.executable else word for word in command])
