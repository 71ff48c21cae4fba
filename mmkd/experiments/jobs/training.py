"""Jobs that run this package's tools."""
import copy
import hashlib
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial, reduce
from pathlib import Path
from typing import ClassVar

from mmengine.config import Config

from mmkd.experiments.run_logs import count_iterations, last_checkpoint, last_iteration, read_scalars
from mmkd.utils.checkpoints.files import sha256_of
from mmkd.utils.command_line.overrides import written
from mmkd.utils.command_line.tool_paths import tool_path
from mmkd.utils.configs.finding import find_config
from mmkd.utils.configs.options import merge_options
from mmkd.utils.errors import UserError
from mmkd.utils.files.small import read_json
from mmkd.utils.versions import installed_versions

from .initial_weights import hashes, initial_files, teacher_files
from .scheduler import Job

DATA_STAMP = 'digits.json'  # in a data folder that a converter made: with which settings
DATA_STAMPS = (DATA_STAMP, 'fashion.json')  # of all converters
RUN_SECONDS = 3.  # expected for a run's start, without imports, and validation


@dataclass
class TrainJob(Job):
    """A run of ``tools/train.py``.

    Args:
        config: Its config, with the options of the command line.
        iterations: Its training iterations.
        starts_from: Files that its model starts from.
        taught_by: Files that its teachers start from, but for that of a job that it needs.
        answers: What decides the answers of its teacher: the views, how many epochs of them, and the teacher.
    """
    config: Config = field(default_factory=Config)
    iterations: int = 1
    starts_from: list[Path] = field(default_factory=list)
    taught_by: list[Path] = field(default_factory=list)
    answers: str = ''
    warm: ClassVar[bool] = True

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
        """A run with a checkpoint can; one that lacks only its last validation makes up for it."""
        return self._checkpoint() is not None

    def saved_at(self) -> float | None:
        """When its last checkpoint was written."""
        checkpoint = self._checkpoint()
        return checkpoint.stat().st_mtime if checkpoint else None

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
    warm: ClassVar[bool] = True

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


class TrainingJobs:
    """Makes training jobs that run anew when anything has changed that decides their result.

    That is the config with the options, the configs of its student and teacher, the files that these start from, the
    data's settings, the installed versions, and the jobs that it needs. Of a file that a needed job makes, that job.
    """

    def __init__(self) -> None:
        self.versions = installed_versions()
        self.load = cache(load)
        self.sha256 = cache(sha256_of)  # many runs have the same teacher

    def job(self, name: str, folder: Path, path: str, options: dict[str, object], needs: Sequence[Job] = (),
            teacher: Job | None = None, seconds_per_iteration: float = 0.2, threads: int = 1,
            kind: type[TrainJob] = TrainJob) -> TrainJob:
        """Makes one.

        Args:
            name: Its name.
            folder: Its work dir.
            path: Its config file.
            options: Dotted keys to values; those that the config has already are left out.
            needs: Jobs that have to be done before.
            teacher: The job whose last checkpoint is the teacher's, if it is needed too.
            seconds_per_iteration: What is expected, for the order and the progress only.
            threads: Threads of the run.
            kind: Its class.

        Raises:
            UserError: Nothing reads an option, or the config has no such place.
        """
        config = copy.deepcopy(self.load(path))
        options = {key: value for key, value in options.items() if value_at(config, key) != value}
        merge_options(config, options)  # as the run itself will, after others
        words: list[str | Callable[[], str]] = [f'{key}={written(value)}' for key, value in options.items()]
        if teacher:
            needs = (*needs, teacher)
            words.append(partial(_teacher_option, teacher.folder))
        iterations = count_iterations(config)
        files = initial_files(config, self.load)
        made = {need.target for need in needs if isinstance(need, PublishJob)}
        taught_by = [] if teacher else teacher_files(config, self.load)
        answered_by = hashes(taught_by, self.sha256)
        data = _data_stamp(Path(config.data_root)) if 'data_root' in config else None
        before = [need.key for need in needs]
        arguments = [sys.executable, tool_path('train.py'), path, '--work-dir', str(folder)]
        return kind(
            name, folder, arguments + (['--cfg-options', *words] if words else []),
            key=fingerprint(self.versions, data, self._contents(config), before,
                            *hashes([path for path in files if path not in made], self.sha256), *answered_by),
            needs=tuple(need.name for need in needs), cost=RUN_SECONDS + iterations * seconds_per_iteration,
            threads=threads, config=config, iterations=iterations, starts_from=files, taught_by=taught_by,
            answers=fingerprint(self.versions, data, _asked(config), self._contents(config)[1:], before, *answered_by))

    def _contents(self, config: Config) -> list[dict]:
        """A config and the configs that its student and teachers name."""
        return [config.to_dict(), *self._named(config.model.get('student'), *_teachers(config))]

    def _named(self, *models: object) -> list[dict]:
        """The configs that models name."""
        names = [model['config'] for model in models if isinstance(model, Mapping) and 'config' in model]
        return [part for name in names for part in self._contents(self.load(name))]


def _teachers(config: Config) -> list[object]:
    """What a recipe says of its teacher, and what may be one of several."""
    teacher = config.model.get('teacher') or {}
    return [teacher, *(teacher.values() if isinstance(teacher, Mapping) else ())]


def _asked(config: Config) -> list[object]:
    """What a recipe says of its teacher, and of what decides the views, their batches and their normalisation."""
    model = {key: config.model.get(key) for key in ('student', 'teacher', 'data_preprocessor')}
    if isinstance(model['teacher'], Mapping):
        model['teacher'] = {key: value for key, value in model['teacher'].items() if key != 'cache'}
    own = [config.get(key) for key in ('train_dataloader', 'data_preprocessor', 'replay', 'randomness')]
    precision = [(config.get('optim_wrapper') or {}).get(key) for key in ('type', 'dtype')]
    return [model, own, precision, config.train_cfg.get('max_epochs')]


def _data_stamp(folder: Path) -> dict:
    """With which settings a converter made the data of a folder; an empty dict where none did."""
    return next((found for name in DATA_STAMPS if (found := read_json(folder / name))), {})


def _teacher_option(folder: Path) -> str:
    return f'model.teacher.checkpoint={written(str(last_checkpoint(folder)))}'


def load(name: str) -> Config:
    """Loads a config without the modules that it imports, which would take seconds."""
    return Config.fromfile(find_config(name), import_custom_modules=False)


def value_at(config: Config, key: str) -> object:
    """The value of a dotted key, which may go through places of a list; None if there is none."""
    return reduce(_item, key.split('.'), config)


def _item(part: object, name: str) -> object:
    if isinstance(part, list) and name.isdigit():
        return part[int(name)] if int(name) < len(part) else None
    return part.get(name) if hasattr(part, 'get') else None


def fingerprint(*parts: object) -> str:
    """A short hash of anything that can be written as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
