"""Jobs that look inside models."""
import shlex
from dataclasses import dataclass
from typing import ClassVar

from mmkd.utils.files.small import read_json

from .scheduler import Job


@dataclass
class AnalysisJob(Job):
    """A run of a tool of ``mmkd analyse``: interpreter, tool, its words, ``--out`` and the job's folder.

    Args:
        word: What the tool is called after ``mmkd analyse``.
        stem: Of the files that it writes.
        arrays: Whether it writes arrays, which others need.
    """
    word: str = ''
    stem: str = ''
    arrays: bool = False
    warm: ClassVar[bool] = True

    def collect(self) -> dict | None:
        """The numbers that the tool wrote, the images that they are of, and the command to type for them."""
        content = self._written()
        return content and dict(command=self.typed(), images=content['settings']['images'], numbers=content['numbers'])

    def typed(self) -> str:
        """The command that gives the same numbers, with the tool's own folder for results."""
        words = self.command(resume=False)[2:]
        return shlex.join(['mmkd', 'analyse', self.word, *words[:words.index('--out')]])

    def done(self) -> dict | None:
        """See :class:`Job`; others need the files."""
        return super().done() if self._written() else None

    def _written(self) -> dict | None:
        content = read_json(self.folder / f'{self.stem}.json')
        whole = 'numbers' in content and (not self.arrays or (self.folder / f'{self.stem}.npz').is_file())
        return content if whole else None
