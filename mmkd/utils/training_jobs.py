"""Jobs that run this package's tools."""
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from .errors import UserError
from .jobs import Job
from .run_logs import epoch_of, last_checkpoint, last_iteration, read_scalars


@dataclass
class TrainJob(Job):
    """A run of ``tools/train.py``.

    Args:
        config: Its config, with the options of the command line.
        iterations: Its training iterations.
    """
    config: Config = field(default_factory=Config)
    iterations: int = 1

    @property
    def end(self) -> int:
        """Its last epoch (or iteration), after which it is validated."""
        return self.config.train_cfg.get('max_epochs') or self.config.train_cfg['max_iters']

    def command(self, resume: bool) -> list[str]:
        """See :class:`Job`."""
        return super().command(resume) + (['--resume'] if resume else [])

    def progress(self) -> tuple[int, int]:
        """See :class:`Job`."""
        return min(last_iteration(self.folder), self.iterations), self.iterations

    def collect(self) -> dict | None:
        """The figures of the last validation."""
        figures = read_scalars(self.folder)[1].get(self.end)
        return None if figures is None else {name: value for name, value in figures.items()
                            if name not in ('step', 'time', 'data_time')}

    def can_resume(self) -> bool:
        """A run that ended before its last validation cannot: MMEngine would not validate any more."""
        checkpoint = self._checkpoint()
        return checkpoint is not None and (epoch_of(checkpoint) < self.end or self.collect() is not None)

    def done(self) -> dict | None:
        """See :class:`Job`; others need the checkpoint."""
        return super().done() if self._checkpoint() else None

    def _checkpoint(self) -> Path | None:
        try:
            return last_checkpoint(self.folder)
        except UserError:
            return None


@dataclass
class PublishJob(Job):
    """A run of ``publish_student.py``, whose file is copied to a name without a hash.

    Args:
        target: That name.
    """
    target: Path = Path('student.pth')

    def collect(self) -> dict | None:
        """Copies the file."""
        published = sorted(self.folder.glob('student-*.pth'))
        if not published:
            return None
        temporary = self.target.with_name(f'.{self.target.name}.tmp')
        shutil.copyfile(published[0], temporary)
        temporary.replace(self.target)
        return dict(then=shlex.join(['cp', str(published[0]), str(self.target)]))

    def done(self) -> dict | None:
        """See :class:`Job`; others need the copy."""
        return super().done() if self.target.is_file() else None
