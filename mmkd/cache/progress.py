"""One step of a building: a batch is asked about and written, and a line now and then says how far it is."""
import time
from collections.abc import Callable

import numpy as np
from mmengine.dist import get_world_size

from mmkd.records import RecordFormat, Writer
from mmkd.records.coding import top1
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
        self._start = self._spoken = time.monotonic()

    def add(self, views: int, labelled: int, correct: int, epoch: int) -> None:
        """Counts a batch, and says a line if it is time."""
        self.done, self.labelled, self.correct = self.done + views, self.labelled + labelled, self.correct + correct
        now = time.monotonic()
        if now - self._spoken > LINE_SECONDS or self.done == views:
            self._spoken = now
            speed = self.done / max(now - self._start, 1e-9)
            self._say(f'epoch {epoch}, {100 * self.done / self.total:.1f} % of all: {speed * get_world_size():,.0f} '
                      f'views a second, {clock((self.total - self.done) / speed)} left{self.top1()}')

    def skip(self, views: int) -> None:
        """Leaves out views that have their records."""
        self.total -= views

    def top1(self) -> str:
        """The teacher's accuracy so far, in words."""
        return f", the teacher's top-1 is {100 * self.correct / self.labelled:.1f} %" if self.labelled else ''


def ask(source: Source, batch: dict, format: RecordFormat, writer: Writer, progress: Progress) -> None:
    """Asks the teacher about a batch, and writes its records."""
    views, rows = source.records(batch, format)
    writer.write(np.array([index for _, index in views]), rows)
    labelled, correct = top1(rows, format)
    progress.add(len(rows), labelled, correct, writer.shard.epoch)
