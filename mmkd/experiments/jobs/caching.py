"""Jobs that keep a teacher's answers, so that all methods on the same views ask it once."""
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mmengine.config import Config

from mmkd.utils.command_line.tool_paths import tool_path
from mmkd.utils.errors import UserError

from .scheduler import Job
from .training import TrainJob, fingerprint


@dataclass
class CacheJob(Job):
    """A run of ``tools/teacher_cache.py build``.

    Args:
        epochs: How many epochs of views it asks about.
    """
    epochs: int = 1
    warm: ClassVar[bool] = True

    @property
    def answers(self) -> Path:
        """The folder of the cache."""
        return self.folder / 'answers'

    def can_resume(self) -> bool:
        """See :class:`Job`: what was written of a cache stays."""
        return self.answers.is_dir()

    def collect(self) -> dict | None:
        """How many views were asked about."""
        from mmkd.records import Reader  # takes a second
        try:
            reader = Reader(self.answers)
        except UserError:
            return None
        whole = reader.complete_epochs >= self.epochs
        return dict(views=self.epochs * reader.header.samples) if whole else None

    def done(self) -> dict | None:
        """See :class:`Job`; others need the files."""
        return super().done() if self.collect() else None


def cache_job(name: str, folder: Path, run: TrainJob) -> CacheJob:
    """Makes a job that keeps all logits which a run's teacher gives, in the run's own batches.

    Args:
        name: Its name.
        folder: Its folder.
        run: The run, which itself need not be trained. Where its views repeat (``replay.epochs``), each is asked about
            once.
    """
    epochs = min(run.end, (run.config.get('replay') or {}).get('epochs') or run.end)
    python, _, path = run.arguments[:3]
    place = run.arguments.index('--cfg-options') if '--cfg-options' in run.arguments else len(run.arguments)
    arguments = [python, tool_path('teacher_cache.py'), 'build', path, '--out', str(folder / 'answers'), '--epochs',
                 str(epochs), '--topk', 'all', '--like-training', *run.arguments[place:]]
    return CacheJob(name, folder, arguments, fingerprint(run.answers, 'cache'), run.needs, run.cost / 2, run.threads,
                    epochs=epochs)


def reads_logits_alone(config: Config) -> bool:
    """Whether all that a recipe's terms read of their one teacher are its logits, and its epochs are counted."""
    terms = config.model.get('terms') or {}
    losses = [term.get('loss') for term in terms.values()]
    return (bool(terms) and all(term.get('teacher') == 'logits' for term in terms.values())
            and all(isinstance(loss, Mapping) for loss in losses) and bool(config.train_cfg.get('max_epochs')))
