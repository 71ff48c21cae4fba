"""One step of a building: a batch is asked about and written, and a line now and then says how far it is."""
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dist import get_world_size

from mmkd.records import RecordFormat, Writer
from mmkd.utils.command_line.durations import clock

from .source import Source

LINE_SECONDS = 15.


class Progress:
    """Counts views, and what the teacher got right.

    Args:
        total: The views of this process that are to be asked about.
        say: Gets the lines.
    """

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self.total, self._say = total, say
        self.done = self.labelled = self.correct = 0
        self.seconds = dict(loading=0., teacher=0., records=0.)
        self._start = self._spoken = time.monotonic()

    def add(self, views: int, labelled: int, correct: int, epoch: int) -> None:
        """Counts a batch, and says a line if it is time."""
        self.done, self.labelled, self.correct = self.done + views, self.labelled + labelled, self.correct + correct
        now = time.monotonic()
        if now - self._spoken > LINE_SECONDS or self.done == views:
            self._spoken = now
            speed = self.done / max(now - self._start, 1e-9)
            together = speed * get_world_size()
            self._say(f'epoch {epoch}, {100 * self.done / self.total:.1f} % of all: '
                      f'{together:,.{0 if together >= 10 else 2}f} views a second, '
                      f'{clock((self.total - self.done) / speed)} left{self.top1()}')

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts the time of a block as spent on loading, the teacher, or records."""
        start = time.perf_counter()
        yield
        if name == 'teacher' and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self.seconds[name] += time.perf_counter() - start

    def shares(self) -> str:
        """What the time was spent on, in words."""
        whole = sum(self.seconds.values())
        parts = ', '.join(f'{name} {100 * seconds / whole:.1f} %' for name, seconds in self.seconds.items() if whole)
        return f'time of this process: {parts}' if whole else 'nothing was left to ask'

    def skip(self, views: int) -> None:
        """Leaves out views that have their records."""
        self.total -= views

    def top1(self) -> str:
        """The teacher's accuracy so far, in words."""
        return f", the teacher's top-1 is {100 * self.correct / self.labelled:.1f} %" if self.labelled else ''


def ask(source: Source, batches: Iterator[dict], format: RecordFormat, progress: Progress
        ) -> tuple[np.ndarray, np.ndarray]:
    """Asks the teacher about the next batch.

    Returns:
        The indices of its samples, and their records.
    """
    with progress.part('loading'):
        batch = next(batches)
    with progress.part('teacher'):
        tensors, samples = source.answers(batch)
    with progress.part('records'):
        views, rows = source.encoded(tensors, samples, format)
        return np.array([index for _, index in views]), rows


def write(writer: Writer, indices: np.ndarray, rows: np.ndarray, progress: Progress) -> None:
    """Writes records."""
    with progress.part('records'):
        writer.write(indices, rows)
