"""The runs of ``quickstart.py``: which commands, what they need, and what they leave behind."""
import re
import sys
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from mmkd.experiments.jobs.analysis import AnalysisJob
from mmkd.experiments.jobs.scheduler import Job
from mmkd.experiments.jobs.training import DATA_STAMP, PublishJob, TrainingJobs, TrainJob, fingerprint
from mmkd.experiments.run_logs import dataset_length, last_checkpoint
from mmkd.utils.command_line.tool_paths import tool_path
from mmkd.utils.files.small import read_json

CONFIGS = 'configs/quickstart'
TEACHER = 'slak-mini_digits'
STUDENTS = dict(
    alone='convnest-mini_digits-5shot',
    distilled='convnest-mini_slak-mini-nkd_digits-5shot',
    kd='convnest-mini_slak-mini-kd_digits-5shot')
SCENES = {'mask-rcnn': 'mask-rcnn_convnest-mini{}_digits', 'upernet': 'upernet_convnest-mini{}_digits'}
# What looks into the models: word, tool, stem of its files, whether it writes arrays, words of a check.
INSIDE = (('erf', 'receptive_field.py', 'receptive_field', True, ('--number', '2')),
          ('cka', 'cka.py', 'cka', False, ('--number', '16', '--batch-size', '8')))
INSIDE_SECONDS = 5.
LOOKED_AT = {'teacher': 'teacher', 'alone-seed0': 'student alone', 'distilled-seed0': 'student distilled'}
# Expected seconds of an iteration: for the order and the progress only.
ITERATION_SECONDS = {
    'teacher': 0.17, 'alone': 0.12, 'distilled': 0.13, 'kd': 0.13, 'mask-rcnn': 0.56, 'upernet': 0.12}
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


class Plan:
    """Makes the jobs of a quick start.

    Args:
        settings: What is asked for.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._trainings = TrainingJobs()
        self.versions = self._trainings.versions
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
        if find_spec('matplotlib'):  # which the tools want
            self._add_inside()

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
            side=read_json(Path(detector.config.data_root, DATA_STAMP)).get('scene_size'),
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
        arguments = [sys.executable, tool_path('model_converters/publish_student.py'),
                     lambda: str(last_checkpoint(source.folder)), str(folder / 'student.pth')]
        self.jobs[name] = PublishJob(name, folder, arguments, fingerprint(source.key), (student, ), cost=3.,
                                     target=self.published(student))

    def _add_inside(self) -> None:
        needs = [self.jobs[name] for name in LOOKED_AT]
        models = [partial(_looked_at, job) for job in needs]
        for word, tool, stem, arrays, short in INSIDE:
            folder = self.settings.work_dir / f'inside-{word}'
            words = ['--labels', *LOOKED_AT.values(), *(short if self.settings.check else ())]
            self.jobs[folder.name] = AnalysisJob(
                folder.name, folder,
                [sys.executable, tool_path(f'analysis_tools/{tool}'), *models, *words, '--out', str(folder)],
                fingerprint(self.versions, [job.key for job in needs], words), tuple(LOOKED_AT), INSIDE_SECONDS,
                self.settings.threads, word=word, stem=stem, arrays=arrays)

    def _add_training(self, name: str, config_name: str, kind: str, options: dict, threads: int | None = None,
                      needs: tuple[str, ...] = (), teacher: Job | None = None) -> None:
        self.jobs[name] = self._trainings.job(
            name, self.settings.work_dir / name, f'{CONFIGS}/{config_name}.py', options,
            needs=[self.jobs[need] for need in needs], teacher=teacher, seconds_per_iteration=ITERATION_SECONDS[kind],
            threads=threads or self.settings.threads)


def is_published(name: str) -> bool:
    """Whether it is the name of a file that some plan publishes."""
    return bool(re.fullmatch(rf'student(-({"|".join(STUDENTS)})-seed\d+)?\.pth', name))


def _looked_at(job: TrainJob) -> str:
    """A trained model as ``mmkd analyse`` takes it; of a recipe, the student."""
    return f'{job.arguments[2]}={last_checkpoint(job.folder)}'


def _size(loader: dict) -> int:
    return dataset_length(loader['dataset'])
