"""Trains one student by many distillation methods, over seeds, and compares the gains.

Each method is a recipe; all have the same student, teacher, data and schedule. The student is trained alone with the
same seeds, and the teacher once unless --teacher-checkpoint is given. The table (Direct Gain and Effective Gain), a bar
chart with error bars and all figures as JSON are written below --work-dir. Interrupted, the same command goes on.

Without arguments it compares all methods of configs/quickstart/methods on the digits, each seed with its own five
labelled digits a class. With --suite fashion it is those of configs/fashion/methods on Fashion-MNIST, with all labels;
its test set is read once a run, at its end. The suites fashion-pspnet, fashion-retinanet and fashion-mask-rcnn train
segmentors and detectors on the fashion scenes, and compare mIoU and bbox_mAP of the val scenes after the last epoch;
what their backbones start from has to be there. Of your own recipes:

  python tools/compare_methods.py --methods configs/my/*.py --alone configs/my/student.py \
      --teacher-checkpoint teacher.pth --seed-options randomness.seed={seed}

--tuned FILE takes what tools/tune.py has chosen for each method (its best.json). Only the suites of classifiers on
Fashion-MNIST report other images than those that chose: elsewhere tuned methods look better than they are.
"""
import argparse
import statistics
import sys
import time
from pathlib import Path

from mmkd.experiments.jobs.caching import CacheJob, cache_job, reads_logits_alone
from mmkd.experiments.jobs.initial_weights import check_files
from mmkd.experiments.jobs.runs import run_interruptible, run_jobs
from mmkd.experiments.jobs.scheduler import Job
from mmkd.experiments.jobs.training import TrainingJobs, TrainJob
from mmkd.experiments.metrics import TOP1, metric_named
from mmkd.experiments.suites import (
    ALONE,
    SUITES,
    add_suite_arguments,
    check_seeds,
    data_job,
    enter_home,
    options_of_seed,
    parsed_options,
    recipes_of,
)
from mmkd.experiments.tuning import read_best
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.durations import clock
from mmkd.utils.files.small import read_json, write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
TUNED_ON_REPORTED = (
    'Warning: --tuned: the images that chose the settings are those that are reported, so that the gains of tuned '
    'methods are too high. Compare the methods also without it.')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', type=Path, metavar='CONFIG',
                        help="the recipes, or names of the suite's methods (default: all of these)")
    parser.add_argument('--alone', metavar='CONFIG', help="the student without a teacher (default: the suite's)")
    parser.add_argument('--teacher-score', '--teacher-top1', type=float, metavar='PERCENT',
                        help="its top-1 (or the suite's metric), which Effective Gain needs (default: from the "
                        'run of --teacher)')
    parser.add_argument('--seeds', type=int, default=5, metavar='N', help='seeds 0 to N-1 (default: %(default)s)')
    parser.add_argument('--seed-options', nargs='+', metavar='KEY=VALUE',
                        help="config entries that depend on the seed, with {seed} in them (default: the suite's)")
    parser.add_argument('--taught-options', nargs='+', default=(), metavar='KEY=VALUE',
                        help='config entries of the students that have a teacher, such as model.teacher.config')
    parser.add_argument('--tuned', type=Path, metavar='FILE', help='best.json of tools/tune.py: entries of each method')
    parser.add_argument('--cache', action='store_true',
                        help='let the teacher answer once a seed for all methods that read nothing but its logits and '
                        'have the same views; students of a seed then see the same ones')
    add_suite_arguments(parser, 'work_dirs/methods')
    args = parser.parse_args(argv)
    if min(args.jobs, args.seeds) < 1:
        parser.error('--jobs and --seeds expect 1 or more.')
    if args.teacher_checkpoint and args.teacher_score is None:
        parser.error('--teacher-checkpoint needs --teacher-score.')
    if args.teacher_score is not None and not 1 < args.teacher_score <= 100:
        parser.error(f'--teacher-score expects percent, got {args.teacher_score:g}. Write 31.2 for 0.312.')
    if args.cache and SUITES[args.suite].metric != TOP1:
        parser.error(f'--cache expects classifiers, whose logits are few an image; those of the suite {args.suite} are '
                     'maps. Leave it out.')
    return args


def plan(args: argparse.Namespace, home: Path | None = None) -> dict[str, Job]:
    """All runs by name: ``teacher``, ``alone-seed0`` …, ``nkd-seed0`` …"""
    suite, trainings, jobs = SUITES[args.suite], TrainingJobs(), {}
    given, of_taught = parsed_options(args.cfg_options), parsed_options(args.taught_options)
    common = {**suite.final_options, **suite.student_options, **given}
    distilled = {**suite.taught_options, **common, **of_taught}
    teacher = None
    if args.teacher_checkpoint:
        distilled = distilled | {'model.teacher.checkpoint': args.teacher_checkpoint}
    else:
        teacher = jobs['teacher'] = trainings.job('teacher', args.work_dir / 'teacher', args.teacher or suite.teacher,
                                                  dict(suite.final_options))
    recipes = recipes_of(suite, ROOT, args.methods, home or Path.cwd())
    tunable = [name for name, path in recipes.items() if 'teacher' in trainings.load(path).model]
    tuned = read_best(args.tuned, tunable, args.suite) if args.tuned else {}
    if args.tuned and suite.tunes_on_reported:
        print(TUNED_ON_REPORTED, file=sys.stderr, flush=True)
    seeded = args.seed_options or suite.seed_options
    check_seeds(seeded, args.seeds, {'--cfg-options': given, '--taught-options': of_taught} | {
        f'--tuned, for {name},': setting for name, setting in tuned.items()})
    for name, path in ({ALONE: args.alone or suite.alone} | recipes).items():
        taught = 'teacher' in trainings.load(path).model
        for seed in range(args.seeds):
            options = options_of_seed(seeded, seed)
            options |= (distilled if taught else common) | tuned.get(name, {})
            options |= {'replay.seed': seed} if args.cache else {}
            add_student(args, trainings, jobs, name, seed, path, options, teacher if taught else None)
    for name, job in jobs.items():
        check_files(name, [*job.starts_from, *job.taught_by] if isinstance(job, TrainJob) else [])
    return jobs


def add_student(args: argparse.Namespace, trainings: TrainingJobs, jobs: dict[str, Job], name: str, seed: int,
                path: str, options: dict[str, object], teacher: Job | None) -> None:
    """Adds a student's run, and the cache that it reads if it is the first to read it."""
    job = f'{name}-seed{seed}'
    run = trainings.job(job, args.work_dir / job, path, options, teacher=teacher)
    if args.cache and reads_logits_alone(run.config):
        cache = f'cache{seed}-{run.answers[:6]}'
        jobs.setdefault(cache, cache_job(cache, args.work_dir / cache, run))
        options = options | {'model.teacher.cache': str(jobs[cache].answers)}
        run = trainings.job(job, args.work_dir / job, path, options, [jobs[cache]], teacher)
    jobs[job] = run


def saved(jobs: dict[str, Job]) -> str:
    """What the caches have saved, in words; empty without any."""
    caches = {name: job.done() for name, job in jobs.items() if isinstance(job, CacheJob)}
    if not caches:
        return ''
    views = {name: done['metrics']['views'] for name, done in caches.items()}
    asked = [views[name] // jobs[name].epochs * job.end
             for name in caches for job in jobs.values() if name in job.needs]
    seconds = sum(done['seconds'] for done in caches.values())
    return (f'The teacher answered {sum(views.values()):,} times in {clock(seconds)}, and {len(asked)} runs read it; '
            f'without the caches it would have answered {sum(asked):,} times.\n')


def report(args: argparse.Namespace, jobs: dict[str, Job], seconds: float) -> None:
    """Writes and prints the comparison."""
    from mmkd.experiments.method_comparison import (  # takes seconds: after the runs
        compare,
        comparison_table,
        describe_terms,
        draw_gains,
    )
    metric = metric_named(args.metric, SUITES[args.suite].metric)
    done = {name: job.done() for name, job in jobs.items()}
    methods = {name.rpartition('-seed')[0]: [] for name in jobs if '-seed' in name}
    durations = {name: statistics.fmean(done[f'{name}-seed{seed}']['seconds'] for seed in range(args.seeds))
                 for name in methods}
    for name in methods:
        methods[name] = [metric.percent(done[job]['metrics'], job)
                         for job in (f'{name}-seed{seed}' for seed in range(args.seeds))]
    alone = methods.pop(ALONE)
    teacher = args.teacher_score
    if teacher is None:
        teacher = metric.percent(done['teacher']['metrics'], 'teacher')
    rows = compare(methods, alone, teacher)
    terms = {}
    for name in methods:
        job = jobs[f'{name}-seed0']
        start = ', '.join(map(str, job.starts_from)) if 'terms' in job.config.model else ''
        terms[name] = describe_terms(job.config.model) + (f', student from {start}' if start else '')
    table = comparison_table(rows, alone, teacher, durations, terms, metric.name)
    write_json(args.work_dir / 'comparison.json', dict(
        metric=metric.key, teacher=teacher, alone=alone, methods=rows, seconds=durations, terms=terms))
    write_text(args.work_dir / 'comparison.md', table)
    draw_gains(args.work_dir / 'comparison.png', rows, 'Gain over the student alone, ' + (
        f'mean of {args.seeds} seeds ± 1 standard error' if args.seeds > 1 else 'one seed'), metric.name)
    print(f'\n{table}\n{saved(jobs)}± is one standard error over {args.seeds} seeds, gains are paired by seed. Took '
          f'{clock(seconds)}. Beside it in {args.work_dir}: comparison.md, comparison.json, comparison.png', flush=True)


@one_line_errors
def main() -> int:
    """Runs the tool.

    Returns:
        The exit status.
    """
    args = parse_args()
    home = enter_home(args, ROOT)

    def work(lock: int) -> None:
        if not args.seed_options:
            run_jobs([data_job(SUITES[args.suite], args.work_dir)], args.jobs, ROOT, lock)
        jobs = plan(args, home)
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
