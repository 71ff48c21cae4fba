r"""Chooses weights and temperatures of distillation methods by validation images, within the same budget each.

Every setting of a method's grid is trained for a part of the epochs; the best go on to a run of all epochs, and the
best of those is the method's. The recipe's own setting is always among them, and none is there twice. A run that
diverges counts as the worst. Interrupted, the same command goes on. Written below --work-dir: tuning.md, tuning.png,
tuning.json (all figures), and best.json, which compare_methods.py takes with --tuned.

  mmkd tune --suite fashion --methods kd nkd dkd
  mmkd tune --methods my/kd.py --grid model.terms.kd.weight=0.5,1,2 --grid model.terms.kd.loss.temperature=1,4 \
      --teacher-checkpoint teacher.pth

A file of grids has for each method METHOD: {KEY: [VALUE, VALUE], …}; a suite brings its own, grids.yml beside its
recipes.

Settings are chosen by the images that a run validates on. Only the suites of classifiers on Fashion-MNIST report others
in the end (compare_methods.py): elsewhere tuned methods look better there than they are.
"""
import argparse
import copy
import math
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

from mmkd.experiments.jobs.initial_weights import check_files
from mmkd.experiments.jobs.runs import run_interruptible, run_jobs
from mmkd.experiments.jobs.scheduler import Job
from mmkd.experiments.jobs.training import TrainingJobs
from mmkd.experiments.metrics import metric_named
from mmkd.experiments.suites import (
    SUITES,
    add_suite_arguments,
    data_job,
    enter_home,
    options_of_seed,
    parsed_options,
    recipes_of,
)
from mmkd.experiments.tuning import (
    Setting,
    Trial,
    Tried,
    best_of,
    check_keys,
    check_setting,
    read_grids,
    setting_name,
    settings_of,
    survivors,
    tuning_table,
)
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.configs.options import merge_options
from mmkd.utils.files.small import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', type=Path, metavar='CONFIG',
                        help="the recipes, or names of the suite's methods (default: all of these that have a teacher)")
    parser.add_argument('--grid', action='append', metavar='KEY=V1,V2',
                        help='a config entry and its values, for every method; may be given again for another entry')
    parser.add_argument('--grids', type=Path, metavar='FILE', help="grids by method (default: the suite's grids.yml)")
    parser.add_argument('--budget', type=int, default=6, metavar='N',
                        help='settings a method, the rest of a larger grid is left out by lot (default: %(default)s)')
    parser.add_argument('--short', type=float, default=0.3, metavar='SHARE',
                        help='share of the epochs that every setting is trained (default: %(default)s)')
    parser.add_argument('--keep', type=int, default=2, metavar='N',
                        help='settings a method that are trained for all epochs; of 1 the best short run decides '
                        '(default: %(default)s)')
    parser.add_argument('--seed', type=int, metavar='N', help="of the runs (default: the suite's, 4 or 100)")
    add_suite_arguments(parser, 'work_dirs/tuning')
    args = parser.parse_args(argv)
    if min(args.jobs, args.budget, args.keep) < 1 or not 0 < args.short <= 1:
        parser.error('--jobs, --budget and --keep expect 1 or more, and --short a share above 0 and up to 1.')
    if args.seed is None:
        args.seed = SUITES[args.suite].tuning_seed
    args.metric = metric_named(args.metric, SUITES[args.suite].metric)
    return args


class Tuning:
    """The runs of a tuning.

    Args:
        args: The command line.
        home: The folder that is worked in.
    """

    def __init__(self, args: argparse.Namespace, home: Path) -> None:
        self.args, self.suite, self.trainings = args, SUITES[args.suite], TrainingJobs()
        self.recipes = recipes_of(self.suite, ROOT, args.methods, home)
        known = {path.resolve() for path in self.suite.recipes(ROOT).values()}
        self.of_suite = all((home / path).resolve() in known for path in self.recipes.values())
        for name, path in list(self.recipes.items()):
            if 'teacher' in self.trainings.load(path).model:
                continue
            if args.methods:
                raise UserError(f'--methods expects recipes with a teacher, got {name}, which has no terms to tune. '
                                'Leave it out.')
            del self.recipes[name]
        grids = self._grids()
        fixed = [*parsed_options(args.cfg_options), *['model.teacher.checkpoint'] * bool(args.teacher_checkpoint)]
        self.settings = {}
        for name in self.recipes:
            grid, config = grids.get(name, {}), self._config(name, self._options({}))
            check_keys(name, grid, config, fixed)
            self.settings[name] = settings_of(grid, args.budget, args.seed, config)
            for setting in self.settings[name]:
                check_setting(name, setting, self._config(name, self._options(setting)))

    @cached_property
    def teacher(self) -> Job | None:
        """The teacher's training, which is planned by the data; None if there is a trained one."""
        return None if self.args.teacher_checkpoint else self.trainings.job(
            'teacher', self.args.work_dir / 'teacher', self.args.teacher or self.suite.teacher, {})

    def _grids(self) -> dict[str, dict[str, list]]:
        if self.args.grid:
            keys = [option.partition('=')[0] for option in self.args.grid]
            if twice := next((key for key in keys if keys.count(key) > 1), None):
                raise UserError(f'--grid expects each key once, got {twice} again. Write all of its values in one, '
                                f'{twice}=V1,V2.')
            grid = {key: values if isinstance(values, list) else [values]
                    for key, values in parsed_options(self.args.grid).items()}
            return dict.fromkeys(self.recipes, grid)
        own = self.args.grids or self.suite.grids(ROOT)
        if own is None:
            raise UserError(f'--grid or --grids is expected, as the suite {self.args.suite} has no grids. Write --grid '
                            'model.terms.kd.weight=0.5,1,2.')
        known = self.suite.recipes(ROOT).keys() | self.recipes.keys()
        if not self.args.grids:  # the folder's, of which a suite may take a part
            known |= {path.stem for path in own.parent.glob('*.py')}
        return read_grids(own, sorted(known))

    def jobs(self, share: float, chosen: Mapping[str, list[int]]) -> dict[tuple[str, int], Trial]:
        """Runs of chosen settings, for a share of the epochs."""
        found = {}
        for name, places in chosen.items():
            for place in places:
                setting = self.settings[name][place]
                job = f'{name}-{setting_name(setting)}' + ('' if share == 1 else '-short')
                options = self._options(setting)
                options |= self._length(name, share, options)
                trial = self.trainings.job(job, self.args.work_dir / job, self.recipes[name], options,
                                           teacher=self.teacher, kind=Trial)
                check_files(job, [*trial.starts_from, *trial.taught_by])
                found[name, place] = trial
        return found

    def _length(self, name: str, share: float, options: Setting) -> Setting:
        """The option that shortens a run with these options, and its schedule with it."""
        cfg = self._config(name, options).train_cfg
        key = 'max_epochs' if cfg.get('max_epochs') else 'max_iters'
        return {} if share == 1 else {f'train_cfg.{key}': max(1, math.ceil(share * cfg[key]))}

    def _config(self, name: str, options: Setting) -> Config:
        """The recipe of a method, with options."""
        config = copy.deepcopy(self.trainings.load(self.recipes[name]))
        merge_options(config, options)
        return config

    def _options(self, setting: Setting) -> Setting:
        seeded = self.suite.seed_options if self.of_suite else ('randomness.seed={seed}', )
        options = options_of_seed(seeded, self.args.seed) | {'train_cfg.val_interval': 10**6}  # the last one counts
        options |= {**self.suite.student_options, **self.suite.taught_options}
        options |= {**parsed_options(self.args.cfg_options), **setting}
        if self.args.teacher_checkpoint:
            options['model.teacher.checkpoint'] = self.args.teacher_checkpoint
        return options

    def accuracy(self, job: Job) -> float:
        """What a finished run has reached; NaN if it diverged."""
        metrics = job.done()['metrics']
        return self.args.metric.percent(metrics, job.name) if metrics else math.nan


def tune(tuning: Tuning, lock: int) -> dict[str, list[Tried]]:
    """Trains what there is to train."""
    args = tuning.args
    if tuning.of_suite:
        run_jobs([data_job(tuning.suite, args.work_dir)], args.jobs, ROOT, lock)
    needed = [tuning.teacher] if tuning.teacher else []
    for job in needed:
        check_files(job.name, job.starts_from)
    first = tuning.jobs(args.short, {name: list(range(len(each))) for name, each in tuning.settings.items()})
    run_jobs([*needed, *first.values()], args.jobs, ROOT, lock)
    tried = {name: [Tried(setting, tuning.accuracy(first[name, place])) for place, setting in enumerate(settings)]
             for name, settings in tuning.settings.items()}
    if args.keep == 1:  # a whole run would change nothing
        return tried
    second = tuning.jobs(1., {name: survivors(each, args.keep) for name, each in tried.items()})
    run_jobs([*needed, *second.values()], args.jobs, ROOT, lock)
    for (name, place), job in second.items():
        tried[name][place].whole = tuning.accuracy(job)
    return tried


def report(args: argparse.Namespace, tried: Mapping[str, list[Tried]]) -> None:
    """Writes and prints what was found."""
    chosen = {name: best_of(each) for name, each in tried.items()}
    write_json(args.work_dir / 'best.json', dict(
        suite=args.suite, metric=args.metric.key, seed=args.seed, budget=args.budget,
        best={name: tried[name][place].setting for name, place in chosen.items() if place is not None}))
    write_json(args.work_dir / 'tuning.json', {name: [vars(each) for each in rows] for name, rows in tried.items()})
    table = tuning_table(tried)
    write_text(args.work_dir / 'tuning.md', table)
    from mmkd.experiments.tuning_figure import draw_tuning  # matplotlib takes a second: after the runs
    draw_tuning(args.work_dir / 'tuning.png', tried, args.metric.name)
    lost = [name for name, place in chosen.items() if place is None]
    whole = f', of the best {args.keep} a method all' if args.keep > 1 else ''
    print(f'\n{table}\nOf each setting {args.short:g} of the epochs{whole}. Beside it in {args.work_dir}: best.json, '
          'tuning.json, tuning.md, tuning.png'
          + (f'\nEvery setting diverged: {", ".join(lost)}. Give them other grids.' if lost else ''), flush=True)


@one_line_errors
def main() -> int:
    """Runs the tool.

    Returns:
        The exit status.
    """
    args = parse_args()
    home = enter_home(args, ROOT)
    return run_interruptible(lambda lock: report(args, tune(Tuning(args, home), lock)), args.work_dir)


if __name__ == '__main__':
    sys.exit(main())
