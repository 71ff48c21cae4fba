"""The runs of ``quickstart.py``: which commands, what they need, and what they leave behind."""
import copy
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial, reduce
from pathlib import Path

from mmengine.config import Config

from mmkd.utils.configs import find_config
from mmkd.utils.files import read_json
from mmkd.utils.jobs import Job
from mmkd.utils.run_logs import count_iterations, dataset_length, last_checkpoint
from mmkd.utils.training_jobs import PublishJob, TrainJob
from mmkd.utils.versions import installed_versions

CONFIGS = 'configs/quickstart'
STAMP = 'digits.json'  # with which settings the data were made
TEACHER = 'slak-mini_digits'
STUDENTS = dict(
    alone='convnest-mini_digits-5shot',
    distilled='convnest-mini_slak-mini-nkd_digits-5shot',
    kd='convnest-mini_slak-mini-kd_digits-5shot')
SCENES = {'mask-rcnn': 'mask-rcnn_convnest-mini{}_digits', 'upernet': 'upernet_convnest-mini{}_digits'}
# Expected seconds of an iteration, and of a run's start and validation: for the order and the progress only.
ITERATION_SECONDS = {
    'teacher': 0.17, 'alone': 0.12, 'distilled': 0.13, 'kd': 0.13, 'mask-rcnn': 0.56, 'upernet': 0.23}
RUN_SECONDS = 9.
CHECK = {
    'teacher': {'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 2, 'train_dataloader.dataset.indices': 64,
                'val_dataloader.dataset.indices': 64},
    'student': {'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 1, 'train_dataloader.dataset.times': 1,
                'val_dataloader.dataset.indices': 64},
    'scenes': {'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 1, 'train_dataloader.dataset.indices': 8,
               'val_dataloader.dataset.indices': 8},
}


SETTING = (
    'The data are the handwritten digits of scikit-learn, in bright ink on dark textures. The teacher, a small SLaK, '
    'learns for {teacher} iterations from {images:,} labelled images of 32×32. The student, a smaller ConvNeSt, has '
    'only {labels} of these labels, five a class, and learns for {student} iterations: alone, or distilled from the '
    'teacher on the same images. Number of seeds: {seeds}, each with {labels} images of its own. All are validated on '
    '{val_images} other images. Mask R-CNN ({detector} iterations) and UperNet ({segmentor} iterations) learn from '
    '{scenes} scenes of {side}×{side} with two to six digits each, with a student as the backbone or from scratch, and '
    'are validated on {val_scenes} scenes of other digits. Compared runs have the same data, seed and number of '
    'iterations.')
CHECKED = ' This was a check of the machinery with everything cut short: the figures mean nothing.'


@dataclass(frozen=True)
class Settings:
    """What the quick start is asked for.

    Args:
        work_dir: Folder of all runs.
        full: Whether to add KD, and to repeat detection and segmentation.
        check: Whether to cut everything short, to check the machinery.
        threads: Threads of a teacher's, a detector's or a segmentor's run.
        student_threads: Threads of a student's run.
    """
    work_dir: Path
    full: bool = False
    check: bool = False
    threads: int = 1
    student_threads: int = 1

    @property
    def student_seeds(self) -> range:
        """Seeds of the students; each has its own five labelled digits a class."""
        return range(1 if self.check else 5)

    @property
    def scene_seeds(self) -> range:
        """Seeds of the detectors and segmentors."""
        return range(3 if self.full and not self.check else 1)

    @property
    def student_kinds(self) -> tuple[str, ...]:
        """How the students are trained."""
        return ('alone', 'distilled', 'kd') if self.full else ('alone', 'distilled')

    @property
    def scene_kinds(self) -> tuple[str, ...]:
        """Where the backbones of the detectors and segmentors come from."""
        return ('scratch', 'alone', 'distilled') if self.full else ('scratch', 'distilled')


class DigitsJob(Job):
    """A run of ``digits.py``, which finds out by itself whether there is anything to do."""

    def done(self) -> dict | None:
        """Never."""
        return None


class Plan:
    """Makes the jobs of a quick start.

    Args:
        settings: What is asked for.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.versions = installed_versions()
        self._load = cache(load)
        self.jobs: dict[str, Job] = {}
        self._add_training('teacher', TEACHER, 'teacher', self._cuts('teacher'))
        for kind in settings.student_kinds:
            for seed in settings.student_seeds:
                self._add_student(kind, seed)
        for seed in settings.scene_seeds:
            for kind in settings.scene_kinds:
                if kind != 'scratch':
                    self._add_publishing(f'{kind}-seed{seed}')
                for task in SCENES:
                    self._add_scenes(task, kind, seed)

    def published(self, student: str) -> Path:
        """Where a published student is; the configs name the first distilled one ``student.pth``."""
        name = 'student.pth' if student == 'distilled-seed0' else f'student-{student}.pth'
        return self.settings.work_dir / name

    def describe(self) -> str:
        """What data, labels and iterations the jobs use, in plain words."""
        teacher, student, detector, segmentor = (
            self.jobs[name] for name in ('teacher', 'alone-seed0', 'mask-rcnn-scratch-seed0', 'upernet-scratch-seed0'))
        text = SETTING.format(
            teacher=teacher.iterations, student=student.iterations, detector=detector.iterations,
            segmentor=segmentor.iterations, images=_size(teacher.config.train_dataloader),
            labels=dataset_length(student.config.train_dataloader.dataset.dataset),
            seeds=len(self.settings.student_seeds), val_images=_size(student.config.val_dataloader),
            side=read_json(Path(detector.config.data_root, STAMP)).get('scene_size'),
            scenes=_size(detector.config.train_dataloader), val_scenes=_size(detector.config.val_dataloader))
        return text + CHECKED * self.settings.check

    def _cuts(self, kind: str) -> dict:
        return CHECK[kind] if self.settings.check else {}

    def _add_student(self, kind: str, seed: int) -> None:
        options = self._cuts('student') | {
            'randomness.seed': seed,
            'train_dataloader.dataset.dataset.ann_file': f'meta/train_5_per_class_seed{seed}.txt'}
        self._add_training(f'{kind}-seed{seed}', STUDENTS[kind], kind, options, self.settings.student_threads,
                           teacher=None if kind == 'alone' else self.jobs['teacher'])

    def _add_scenes(self, task: str, kind: str, seed: int) -> None:
        options, needs = self._cuts('scenes') | {'randomness.seed': seed}, ()
        if kind != 'scratch':
            needs = (f'publish-{kind}-seed{seed}', )
            options['model.backbone.init_cfg.checkpoint'] = str(self.published(f'{kind}-seed{seed}'))
        config = SCENES[task].format('' if kind == 'scratch' else '-distilled')
        self._add_training(f'{task}-{kind}-seed{seed}', config, task, options, needs=needs)

    def _add_publishing(self, student: str) -> None:
        name = f'publish-{student}'
        folder, source = self.settings.work_dir / name, self.jobs[student]
        arguments = [sys.executable, 'tools/model_converters/publish_student.py',
                     lambda: str(last_checkpoint(source.folder)), str(folder / 'student.pth')]
        self.jobs[name] = PublishJob(name, folder, arguments, fingerprint(source.key), (student, ), cost=3.,
                                     target=self.published(student))

    def _add_training(self, name: str, config_name: str, kind: str, options: dict, threads: int | None = None,
                      needs: tuple[str, ...] = (), teacher: Job | None = None) -> None:
        folder, path = self.settings.work_dir / name, f'{CONFIGS}/{config_name}.py'
        config = copy.deepcopy(self._load(path))
        options = {key: value for key, value in options.items() if value_at(config, key) != value}
        config.merge_from_dict(options)
        words: list[str | Callable[[], str]] = [f'{key}={value}' for key, value in options.items()]
        if teacher:
            needs = (*needs, teacher.name)
            words.append(partial(_teacher_option, teacher.folder))
        iterations, data = count_iterations(config), read_json(Path(config.data_root, STAMP))
        arguments = [sys.executable, 'tools/train.py', path, '--work-dir', str(folder)]
        self.jobs[name] = TrainJob(
            name, folder, arguments + (['--cfg-options', *words] if words else []),
            key=fingerprint(self.versions, data, self._contents(config), [self.jobs[need].key for need in needs]),
            needs=needs, cost=RUN_SECONDS + iterations * ITERATION_SECONDS[kind],
            threads=threads or self.settings.threads, config=config, iterations=iterations)

    def _contents(self, config: Config) -> list[dict]:
        """A config and the configs that its student and teacher name."""
        model = config.model
        names = [model[role]['config'] for role in ('student', 'teacher') if 'config' in model.get(role, {})]
        return [config.to_dict(), *(part for name in names for part in self._contents(self._load(name)))]


def _teacher_option(folder: Path) -> str:
    return f'model.teacher.checkpoint={last_checkpoint(folder)}'


def _size(loader: dict) -> int:
    return dataset_length(loader['dataset'])


def load(name: str) -> Config:
    """Loads a config without the modules that it imports, which would take seconds."""
    return Config.fromfile(find_config(name), import_custom_modules=False)


def value_at(config: Config, key: str) -> object:
    """The value of a dotted key; None if there is none."""
    return reduce(lambda part, name: part.get(name) if hasattr(part, 'get') else None, key.split('.'), config)


def fingerprint(*parts: object) -> str:
    """A short hash of anything that can be written as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
