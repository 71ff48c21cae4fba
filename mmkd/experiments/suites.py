"""Two models, a data set, and a folder of recipes between them: what methods are compared and tuned on."""
import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmkd.experiments.jobs.data import DataJob
from mmkd.experiments.jobs.initial_weights import names_file
from mmkd.experiments.metrics import BBOX_MAP, MIOU, TOP1, Metric
from mmkd.utils import UserError, nearest
from mmkd.utils.command_line.tool_paths import tool_path, working_root
from mmkd.utils.versions import usable_cores

ALONE = 'alone'  # what the runs of the student without a teacher are called


@dataclass(frozen=True)
class Suite:
    """What is compared.

    Args:
        methods: Folder of the recipes, one a method; or method to its config. One without a teacher is a student that
            starts from other weights.
        alone: Config of the student without a teacher.
        teacher: Config of the teacher.
        seed_options: Config entries that depend on the seed, with ``{seed}`` in them.
        converter: The tool below ``tools`` that puts the data in place, and its arguments.
        final_options: Config entries of the runs that are compared, where what is chosen is validated on other images:
            they are validated once, at the end, on the test set.
        student_options: Config entries of all students.
        taught_options: Config entries of the students that have a teacher.
        tuning_seed: Seed of the runs that choose settings.
        metric: What they are compared by.
    """
    methods: str | Mapping[str, str]
    alone: str
    teacher: str
    seed_options: tuple[str, ...]
    converter: tuple[str, ...]
    final_options: Mapping[str, object] = field(default_factory=dict)
    student_options: Mapping[str, object] = field(default_factory=dict)
    taught_options: Mapping[str, object] = field(default_factory=dict)
    tuning_seed: int = 100
    metric: Metric = TOP1

    @property
    def tunes_on_reported(self) -> bool:
        """Whether the images that choose settings are those that a comparison reports."""
        return not any('dataset' in key for key in self.final_options)

    def recipes(self, root: Path) -> dict[str, Path]:
        """Method to its config, in the checkout ``root``."""
        if isinstance(self.methods, str):
            return {path.stem: path for path in sorted((root / self.methods).glob('*.py'))}
        return {name: root / path for name, path in self.methods.items()}

    def grids(self, root: Path) -> Path | None:
        """The file of the settings that are tried, in the checkout ``root``, if there is one."""
        path = next(iter(self.recipes(root).values())).parent / 'grids.yml'
        return path if path.is_file() else None


# The test set, once, after the last epoch; `split` alone would not choose it.
FASHION_TEST = {'val_dataloader.dataset.test_mode': True, 'val_dataloader.dataset.split': 'test',
                'val_dataloader.dataset.indices': None, 'train_cfg.val_interval': 10000}
# Methods that read nothing of the teacher but its logits, of the same views: one cache a seed serves them.
LOGITS = {name: f'configs/fashion/methods/{name}.py' for name in ('binary_kd', 'dist', 'dkd', 'kd', 'nkd', 'ofa')}
# The ResNet's schedule: the pictures are as they are, the same in each epoch, and a teacher is asked about each once.
PLAIN_PICTURES = {
    'train_dataloader.dataset.pipeline': [dict(type='mmkd.GreyToRGB'), dict(type='PackInputs')],
    'custom_hooks': [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.ChannelsLastHook')],
    'train_cfg.max_epochs': 8, 'replay.epochs': 1}


def _fashion(labels: int = 0, epochs: int = 0) -> Suite:
    """ConvNeSt and SLaK on Fashion-MNIST; with few labels, so many epochs."""
    few = {'train_dataloader.dataset.indices': labels, 'train_cfg.max_epochs': epochs,
           'default_hooks.checkpoint.interval': epochs // 4} if labels else {}
    return Suite('configs/fashion/methods', 'configs/fashion/convnest-mini_fashion.py',
                 'configs/fashion/slak-mini_fashion.py', ('randomness.seed={seed}', ),
                 ('dataset_converters/fashion.py', ), FASHION_TEST, few)


def _scenes(kind: str, metric: Metric, *methods: str) -> Suite:
    """A detector or segmentor on the fashion scenes: taught by a larger one, from the distilled backbone, or both."""
    own, teacher = f'configs/fashion/{kind}_convnest-mini', f'_{kind}-slak-mini'
    names = {'distilled': f'{own}-distilled_fashion.py'} | {
        name: f'{own}{"-distilled" if start else ""}{teacher}-{method}_fashion.py'
        for name in methods for start, _, method in [name.rpartition('-')]}
    return Suite(names, f'{own}_fashion.py', f'configs/fashion/{kind}_slak-mini_fashion.py',
                 ('randomness.seed={seed}', ), ('dataset_converters/fashion.py', ),
                 {'train_cfg.val_interval': 10000}, metric=metric)  # once, after the last epoch


SUITES = {
    'digits': Suite(
        'configs/quickstart/methods', 'configs/quickstart/convnest-mini_digits-5shot.py',
        'configs/quickstart/slak-mini_digits.py',
        ('randomness.seed={seed}', 'train_dataloader.dataset.dataset.ann_file=meta/train_5_per_class_seed{seed}.txt'),
        ('dataset_converters/digits.py', ), tuning_seed=4),
    'fashion': _fashion(),
    'fashion-resnet8': replace(
        _fashion(), methods=LOGITS, alone='configs/fashion/resnet8_fashion.py',
        teacher='configs/fashion/resnet8x3_fashion.py', student_options=PLAIN_PICTURES,
        taught_options={
            'model.student.config': 'fashion/resnet8_fashion.py',
            'model.teacher.config': 'fashion/resnet8x3_fashion.py', 'model.teacher.channels_last': True}),
    'fashion-1pct': _fashion(550, 160),
    'fashion-10pct': _fashion(5500, 20),
    'fashion-pspnet': _scenes('pspnet', MIOU, 'cwd', 'distilled-cwd'),
    'fashion-retinanet': _scenes('retinanet', BBOX_MAP, 'pkd', 'fgd', 'distilled-pkd'),
    'fashion-mask-rcnn': _scenes('mask-rcnn', BBOX_MAP, 'pkd', 'fgd'),
}


def add_suite_arguments(parser: argparse.ArgumentParser, work_dir: str) -> None:
    """Adds what both tools ask for; the suite says what is not given."""
    cores = usable_cores()
    parser.add_argument('--suite', choices=list(SUITES), default='digits',
                        help='models, data and recipes to take where nothing else is given (default: %(default)s)')
    parser.add_argument('--metric', metavar='KEY',
                        help="what students are judged by, as it stands in the log (default: the suite's, such as "
                        'accuracy/top1)')
    parser.add_argument('--teacher', metavar='CONFIG', help="the teacher, trained first (default: the suite's)")
    parser.add_argument('--teacher-checkpoint', metavar='FILE',
                        help='a trained teacher, in place of training --teacher: a file, a URL or a name in the index')
    parser.add_argument('--cfg-options', nargs='+', default=(), metavar='KEY=VALUE',
                        help='config entries of all students')
    parser.add_argument('--work-dir', type=Path, default=Path(work_dir),
                        help='where runs and results go (default: %(default)s)')
    parser.add_argument('--jobs', type=int, default=min(cores, 4), metavar='N',
                        help='runs side by side (default: the number of cores, 4 at most; here %(default)s)')


def enter_home(args: argparse.Namespace, root: Path) -> Path:
    """Goes to the folder where runs write, and has the paths of the command line mean the same files from there.

    Args:
        args: With the arguments of :func:`add_suite_arguments`, ``methods``, and ``alone``, ``teacher``, ``tuned`` or
            ``grids``. A config that is no file here stays as it is: a path below the checkout or its ``configs``, or
            ``scope::…``.
        root: The checkout.

    Returns:
        That folder.

    Raises:
        UserError: ``--teacher-checkpoint`` is neither a file's name nor in the model index.
    """
    home = working_root(root)
    args.teacher_checkpoint = args.teacher_checkpoint and _checkpoint(args.teacher_checkpoint)
    args.methods = args.methods and [path if len(path.parts) == 1 and not path.suffix else path.resolve()
                                     for path in args.methods]
    for name in ('work_dir', 'tuned', 'grids', 'alone', 'teacher'):
        given = getattr(args, name, None)
        if isinstance(given, Path) or given and os.path.isfile(given):
            path = Path(os.path.abspath(given))
            setattr(args, name, type(given)(path.relative_to(home) if path.is_relative_to(home) else path))
    os.chdir(home)
    return home


def _checkpoint(name: str) -> str:
    """The absolute path of a file, there or not; an address, or a name in the model index, as it is."""
    if names_file(name):
        return os.path.abspath(os.path.expanduser(name))
    if '://' not in name:
        from mmkd.zoo import model_index  # takes a second
        if name not in model_index():
            raise UserError('--teacher-checkpoint expects a file, an address or a name in the model index, got '
                            f'{name!r}. {nearest(name, model_index())}')
    return name


def data_job(suite: Suite, work_dir: Path) -> DataJob:
    """The job that puts the suite's data in place, with a folder of its own below the work dir of all suites."""
    tool, *arguments = suite.converter
    folder = work_dir / f'data-job-{Path(tool).stem}'
    return DataJob('data', folder, [sys.executable, tool_path(tool), *arguments], key='')


def recipes_of(suite: Suite, root: Path, named: Iterable[Path] | None, home: Path) -> dict[str, str]:
    """Method to its config, from the folder that is worked in.

    Args:
        suite: The suite.
        root: The checkout.
        named: Configs, or bare names of the suite's methods; None for all of these.
        home: The folder that is worked in.

    Raises:
        UserError: One does not exist, or has the name of another or of the student alone.
    """
    known = suite.recipes(root)
    found = {}
    for given in named or map(Path, known):
        path = known.get(str(given), given)
        if not path.is_file():
            raise UserError(f'--methods expects configs, got {str(path)!r}. {nearest(path.stem, known)}')
        config = os.path.relpath(path, home)
        taken = 'the student without a teacher' if given.stem == ALONE else found.get(given.stem, config)
        if taken != config:
            raise UserError(f'--methods expects recipes of different names, got {config}, where {given.stem} is '
                            f'{taken}. Rename the file.')
        found[given.stem] = config
    return found


def parsed_options(options: Sequence[str]) -> dict[str, object]:
    """Config entries of the form ``KEY=VALUE``.

    Raises:
        UserError: One has another form.
    """
    from mmkd.utils.command_line.overrides import parse_value  # takes MMEngine, and a second
    found = {}
    for option in options:
        key, equals, value = option.partition('=')
        if not equals:
            raise UserError(f'options expect the form KEY=VALUE, got {option!r}.')
        found[key] = parse_value(value)
    return found


def options_of_seed(options: Sequence[str], seed: int) -> dict[str, object]:
    """Config entries of a run, of those that depend on the seed."""
    return parsed_options([option.replace('{seed}', str(seed)) for option in options])


def overlapping(options: Iterable[str], others: Iterable[str]) -> list[str]:
    """Those dotted keys that are one of the others, or lie above or below one of them."""
    others = [f'{other}.' for other in others]
    return [key for key in options if any(f'{key}.'.startswith(other) or other.startswith(f'{key}.')
                                          for other in others)]


def check_seeds(seed_options: Sequence[str], seeds: int, given: Mapping[str, Mapping[str, object]]) -> None:
    """Sees to it that the runs of several seeds are not one and the same run.

    Args:
        seed_options: Config entries that depend on the seed.
        seeds: How many seeds there are.
        given: What else sets config entries, by the name of its option.

    Raises:
        UserError: No entry depends on the seed, or one that does is set by something else.
    """
    first, second = (options_of_seed(seed_options, seed) for seed in (0, 1))
    seeded = [key for key, value in first.items() if second.get(key) != value]
    if seeds > 1 and not seeded:
        raise UserError(f'--seed-options expects {{seed}} in an entry for {seeds} seeds, got {" ".join(seed_options)}. '
                        'Write randomness.seed={seed}.')
    for name, options in given.items():
        if found := overlapping(options, seeded):
            raise UserError(f'{name} expects no entry that depends on the seed, got {", ".join(found)}, which all '
                            'seeds would share. Write it in --seed-options, with {seed} in one of its entries.')
