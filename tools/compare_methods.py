"""Trains one student by many distillation methods, over seeds, and compares the gains.

Each method is a recipe; all have the same student, teacher, data and schedule. The student is trained alone with the
same seeds, and the teacher once unless --teacher-checkpoint is given. The table (Direct Gain and Effective Gain), a bar
chart with error bars and all figures as JSON are written below --work-dir. Interrupted, the same command goes on.

Without arguments it compares all methods of configs/quickstart/methods on the digits, each seed with its own five
labelled digits a class. Of your own recipes:

  python tools/compare_methods.py --methods configs/my/*.py --alone configs/my/student.py \
      --teacher-checkpoint teacher.pth --seed-options randomness.seed={seed}
"""
import argparse
import os
import statistics
import sys
import time
from pathlib import Path

from mmkd.experiments.jobs.caching import CacheJob, cache_job, reads_logits_alone
from mmkd.experiments.jobs.runs import run_interruptible, run_jobs
from mmkd.experiments.jobs.scheduler import Job
from mmkd.experiments.jobs.training import TrainingJobs
from mmkd.utils import UserError, nearest
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.durations import clock
from mmkd.utils.command_line.tool_paths import tool_path, working_root
from mmkd.utils.files.small import read_json, write_json, write_text
from mmkd.utils.versions import usable_cores

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ('randomness.seed={seed}', 'train_dataloader.dataset.dataset.ann_file=meta/train_5_per_class_seed{seed}.txt')
TOP1 = 'accuracy/top1'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    cores = usable_cores()
    parser = ToolParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', type=Path, metavar='CONFIG',
                        help='the recipes, or names of those in configs/quickstart/methods (default: all of these)')
    parser.add_argument('--alone', default='configs/quickstart/convnest-mini_digits-5shot.py', metavar='CONFIG',
                        help='the student without a teacher (default: %(default)s)')
    parser.add_argument('--teacher', default='configs/quickstart/slak-mini_digits.py', metavar='CONFIG',
                        help='the teacher, trained first (default: %(default)s)')
    parser.add_argument('--teacher-checkpoint', metavar='FILE',
                        help='a trained teacher, in place of training --teacher')
    parser.add_argument('--teacher-top1', type=float, metavar='PERCENT',
                        help='its top-1, which Effective Gain needs (default: from the run of --teacher)')
    parser.add_argument('--seeds', type=int, default=5, metavar='N', help='seeds 0 to N-1 (default: %(default)s)')
    parser.add_argument('--seed-options', nargs='+', default=DIGITS, metavar='KEY=VALUE',
                        help="config entries that depend on the seed, with {seed} in them (default: the digits')")
    parser.add_argument('--cfg-options', nargs='+', default=(), metavar='KEY=VALUE',
                        help='config entries of all students, alone and distilled')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/methods'),
                        help='where runs and results go (default: %(default)s)')
    parser.add_argument('--cache', action='store_true',
                        help='let the teacher answer once a seed for all methods that read nothing but its logits; all '
                        'students of a seed then see the same views')
    parser.add_argument('--jobs', type=int, default=min(cores, 4), metavar='N',
                        help='runs side by side (default: the number of cores, 4 at most; here %(default)s)')
    args = parser.parse_args(argv)
    if min(args.jobs, args.seeds) < 1:
        parser.error('--jobs and --seeds expect 1 or more.')
    if args.teacher_checkpoint and args.teacher_top1 is None:
        parser.error('--teacher-checkpoint needs --teacher-top1.')
    return args


def recipes(args: argparse.Namespace) -> dict[str, str]:
    """Method to its config; a bare name is one of configs/quickstart/methods."""
    folder = ROOT / 'configs/quickstart/methods'
    known = {path.stem: path for path in sorted(folder.glob('*.py'))}
    found = {}
    for path in args.methods or known.values():
        path = known.get(str(path), path)
        if not path.is_file():
            raise UserError(f'--methods expects configs, got {str(path)!r}. {nearest(path.stem, known)}')
        found[path.stem] = os.path.relpath(path, working_root(ROOT))
    return found


def plan(args: argparse.Namespace) -> dict[str, Job]:
    """All runs by name: ``teacher``, ``alone-seed0`` …, ``nkd-seed0`` …"""
    trainings, jobs = TrainingJobs(), {}
    common = dict(_split(option) for option in args.cfg_options)
    teacher = None
    if args.teacher_checkpoint:
        common_distilled = common | {'model.teacher.checkpoint': os.path.abspath(args.teacher_checkpoint)}
    else:
        common_distilled = common
        teacher = jobs['teacher'] = trainings.job('teacher', args.work_dir / 'teacher', args.teacher, {})
    for name, path in (dict(alone=args.alone) | recipes(args)).items():
        for seed in range(args.seeds):
            options = dict(_split(option.replace('{seed}', str(seed))) for option in args.seed_options)
            options |= common if name == 'alone' else common_distilled
            options |= {'replay.seed': seed} if args.cache else {}
            add_student(args, trainings, jobs, name, seed, path, options, teacher)
    return jobs


def add_student(args: argparse.Namespace, trainings: TrainingJobs, jobs: dict[str, Job], name: str, seed: int,
                path: str, options: dict[str, object], teacher: Job | None) -> None:
    """Adds a student's run, and the cache that it reads if it is the first of its seed."""
    job = f'{name}-seed{seed}'
    teacher = None if name == 'alone' else teacher
    run = trainings.job(job, args.work_dir / job, path, options, teacher=teacher)
    if args.cache and name != 'alone' and reads_logits_alone(run.config):
        cache = f'cache{seed}'
        jobs.setdefault(cache, cache_job(cache, args.work_dir / cache, run))
        options = options | {'model.teacher.cache': str(jobs[cache].answers)}
        run = trainings.job(job, args.work_dir / job, path, options, [jobs[cache]], teacher)
    jobs[job] = run


def saved(jobs: dict[str, Job]) -> str:
    """What the caches have saved, in words; empty without any."""
    caches = {name: job.done() for name, job in jobs.items() if isinstance(job, CacheJob)}
    if not caches:
        return ''
    readers = {name: sum(name in job.needs for job in jobs.values()) for name in caches}
    views = {name: done['views'] for name, done in caches.items()}
    seconds = sum(done['seconds'] for done in caches.values())
    return (f'The teacher answered {sum(views.values()):,} times in {clock(seconds)}, and {sum(readers.values())} runs '
            f'read it; without the caches it would have answered '
            f'{sum(views[name] * readers[name] for name in caches):,} times.\n')


def _split(option: str) -> tuple[str, object]:
    from mmkd.utils.command_line.overrides import parse_value
    key, equals, value = option.partition('=')
    if not equals:
        raise UserError(f'options expect the form KEY=VALUE, got {option!r}.')
    return key, parse_value(value)


def report(args: argparse.Namespace, jobs: dict[str, Job], seconds: float) -> None:
    """Writes and prints the comparison."""
    from mmkd.experiments.method_comparison import (  # takes seconds: after the runs
        compare,
        comparison_table,
        describe_terms,
        draw_gains,
    )
    done = {name: job.done() for name, job in jobs.items()}
    methods = {name.rpartition('-seed')[0]: [] for name in jobs if '-seed' in name}
    durations = {name: statistics.fmean(done[f'{name}-seed{seed}']['seconds'] for seed in range(args.seeds))
                 for name in methods}
    for name in methods:
        methods[name] = [done[f'{name}-seed{seed}']['metrics'][TOP1] for seed in range(args.seeds)]
    alone = methods.pop('alone')
    teacher = args.teacher_top1 if args.teacher_top1 is not None else done['teacher']['metrics'][TOP1]
    rows = compare(methods, alone, teacher)
    terms = {name: describe_terms(jobs[f'{name}-seed0'].config.model) for name in methods}
    table = comparison_table(rows, alone, teacher, durations, terms)
    write_json(args.work_dir / 'comparison.json', dict(teacher=teacher, alone=alone, methods=rows, seconds=durations,
                                                       terms=terms))
    write_text(args.work_dir / 'comparison.md', table)
    draw_gains(args.work_dir / 'comparison.png', rows, 'Gain over the student alone, ' + (
        f'mean of {args.seeds} seeds ± 1 standard error' if args.seeds > 1 else 'one seed'))
    print(f'\n{table}\n{saved(jobs)}± is one standard error over {args.seeds} seeds, gains are paired by seed. Took '
          f'{clock(seconds)}. Beside it in {args.work_dir}: comparison.md, comparison.json, comparison.png', flush=True)


@one_line_errors
def main() -> int:
    """Runs the tool.

    Returns:
        The exit status.
    """
    args = parse_args()
    args.work_dir = Path(os.path.abspath(args.work_dir))
    if args.teacher_checkpoint:
        args.teacher_checkpoint = os.path.abspath(args.teacher_checkpoint)
    args.methods = args.methods and [path if len(path.parts) == 1 and not path.suffix else path.resolve()
                                     for path in args.methods]
    home = working_root(ROOT)
    os.chdir(home)
    if args.work_dir.is_relative_to(home):
        args.work_dir = args.work_dir.relative_to(home)

    def work(lock: int) -> None:
        command = [sys.executable, tool_path('dataset_converters/digits.py')]
        if tuple(args.seed_options) == DIGITS:
            run_jobs([Job('digits', args.work_dir / 'digits', command, key='')], args.jobs, ROOT, lock)
        jobs = plan(args)
        clock_file, start = args.work_dir / 'clock.json', time.monotonic()
        before = read_json(clock_file).get('seconds', 0.)
        try:
            run_jobs(list(jobs.values()), args.jobs, ROOT, lock)
        finally:
            seconds = before + time.monotonic() - start
            write_json(clock_file, dict(seconds=seconds))
        report(args, jobs, seconds)

    return run_interruptible(work, args.work_dir)


if __name__ == '__main__':
    sys.exit(main())
