"""Runs the main job from end to end on handwritten digits, in minutes and on a CPU.

A large-kernel teacher (SLaK) is trained; small students (ConvNeSt) are trained alone and distilled from it; the
distilled student is published and becomes the backbone of Mask R-CNN and UperNet, beside the same from scratch.
The report, with a table and figures, is written below --work-dir. Interrupted, the same command goes on.
"""
import argparse
import os
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from quickstart_pictures import CAPTIONS, draw_figures
from quickstart_plan import Plan, Settings, is_published

from mmkd.experiments.jobs.data import DataJob
from mmkd.experiments.jobs.folders import is_job_folder, remove_job_folder
from mmkd.experiments.jobs.progress import shell_command
from mmkd.experiments.jobs.runs import run_interruptible, run_jobs
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.durations import clock
from mmkd.utils.command_line.tables import text_table
from mmkd.utils.command_line.tool_paths import tool_path, working_root
from mmkd.utils.files.small import read_json, write_json, write_text
from mmkd.utils.versions import usable_cores

ROOT = Path(__file__).resolve().parents[1]
WORK_DIR = 'work_dirs/quickstart'
CLOCK, DIGITS = 'clock.json', 'digits'  # written first
MARK = 'quickstart'  # in the clock, which other tools write too
REPORTS = ('report.json', 'report.md', 'figures.txt')
NO_FIGURES = ('no figures, as matplotlib is not installed. Install it (pip install matplotlib) and give the same '
              'command again.')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    cores = usable_cores()
    parser = ToolParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--full', action='store_true',
                        help='add KD, backbones from students trained alone, and three seeds of each detector and '
                        'segmentor (about three times as long)')
    parser.add_argument('--work-dir', type=Path,
                        help=f'where runs and report go (default: {WORK_DIR}, of the checkout if there is one)')
    parser.add_argument('--jobs', type=int, default=min(cores, 4), metavar='N',
                        help='runs side by side (default: the number of cores, 4 at most; here %(default)s)')
    parser.add_argument('--clean', action='store_true', help='remove what an earlier quick start left, and start over')
    parser.add_argument('--check', action='store_true',
                        help='for developers: cut every run short, for a quick check of the machinery; the figures '
                        f'mean nothing (default of --work-dir: {WORK_DIR}-check)')
    args = parser.parse_args(argv)
    if args.jobs < 1:
        parser.error(f'--jobs expects 1 or more, got {args.jobs}.')
    home = working_root(ROOT)
    args.work_dir = Path(os.path.abspath(args.work_dir or home / (WORK_DIR + '-check' * args.check)))
    if args.work_dir.is_relative_to(home):
        args.work_dir = args.work_dir.relative_to(home)
    args.threads = max(1, cores // args.jobs)
    return args


def check_folder(work_dir: Path) -> None:
    """Refuses a folder that holds anything but an earlier quick start; hidden files are in nobody's way.

    Raises:
        UserError: It does, or is a file.
    """
    begun = MARK in read_json(work_dir / CLOCK) or is_job_folder(work_dir / DIGITS)
    if work_dir.exists() and (not work_dir.is_dir() or (not begun and any(
            not path.name.startswith('.') for path in work_dir.iterdir()))):
        raise UserError('--work-dir expects a new or empty folder, or one of an earlier quick start, got '
                        f'{work_dir}. Name another one.')


def clean(work_dir: Path) -> None:
    """Removes what a quick start made, and nothing else."""
    for path in sorted(work_dir.iterdir()):
        if path.is_dir():
            remove_job_folder(path)
        elif is_published(path.name) or path.name in {*CAPTIONS, CLOCK, *REPORTS}:
            path.unlink()


class Stopwatch:
    """Counts the seconds of a quick start, over all its parts if it was interrupted.

    Args:
        path: The file that keeps them.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.start = path, time.monotonic()
        self.before = read_json(path).get('seconds', 0.0)
        self.running = True

    def seconds(self) -> float:
        """The seconds so far."""
        return self.before + (time.monotonic() - self.start) * self.running

    def stop(self) -> float:
        """Counts no further, so that what the file will hold is what a report says.

        Returns:
            The seconds.
        """
        self.before, self.running = self.seconds(), False
        return self.before

    def save(self) -> None:
        """Writes the file."""
        write_json(self.path, {MARK: 1, 'seconds': round(self.seconds(), 1)})


def run(args: argparse.Namespace, lock: int) -> None:
    """Runs everything that is not done yet, and writes the report."""
    watch = Stopwatch(args.work_dir / CLOCK)
    watch.save()  # from now on, the folder is a quick start's
    print(f'{args.jobs} at a time, {args.threads} thread{"s" * (args.threads > 1)} each, below {args.work_dir}; '
          f'python is {sys.executable}', flush=True)
    try:
        command = [sys.executable, tool_path('dataset_converters/digits.py')]
        run_jobs([DataJob(DIGITS, args.work_dir / DIGITS, command, key='')], args.jobs, ROOT, lock)
        plan = Plan(Settings(args.work_dir, args.full, args.check, args.threads,
                             args.threads if args.jobs == 1 else 1))
        jobs = list(plan.jobs.values())
        watch.running = not all(job.done() for job in jobs)
        if not any(job.done() or job.begun() for job in jobs):
            watch.before = 0.0
        run_jobs(jobs, args.jobs, ROOT, lock, watch.save)  # a kill leaves no time to write the clock
        report(plan, watch)
    finally:
        watch.save()


def report(plan: Plan, watch: Stopwatch) -> None:
    """Writes ``report.json``, ``report.md`` and the figures, and prints the table."""
    print('Drawing the figures ...', flush=True)
    from mmkd.experiments import quickstart_report as reports  # takes seconds: not before the runs
    settings, folder = plan.settings, plan.settings.work_dir
    with open(folder / 'figures.txt', 'w', encoding='utf-8') as output, redirect_stdout(output), \
            redirect_stderr(output):  # mmdet and mmseg talk a lot
        captions = draw_figures(plan)
    seconds = watch.stop()
    runs = {name: job.done() for name, job in plan.jobs.items()}
    results = reports.Results(runs, settings.student_seeds, settings.student_kinds, settings.scene_seeds,
                              settings.scene_kinds)
    content = reports.build_report(results, plan.describe(), seconds, plan.versions)
    commands = [f'python {tool_path("dataset_converters/digits.py")}']
    for run in runs.values():
        commands += [shell_command(run['command']), *([run['metrics']['then']] if 'then' in run['metrics'] else [])]
    write_json(folder / 'report.json', content)
    write_text(folder / 'report.md', reports.markdown(content, commands, captions))
    header, *rows = reports.table(content)
    figures = f'figures: {", ".join(captions)} beside it.' if captions else NO_FIGURES
    print(f'\n{text_table(header, rows, rule=True)}\n\n{reports.CAVEAT}\n'
          f'Took {clock(seconds)}. Report: {folder / "report.md"}, {folder / "report.json"}; {figures}', flush=True)


@one_line_errors
def main() -> int:
    """Runs the tool.

    Returns:
        The exit status.
    """
    args = parse_args()
    os.chdir(working_root(ROOT))
    check_folder(args.work_dir)

    def work(lock: int) -> None:
        if args.clean:
            clean(args.work_dir)
        run(args, lock)

    return run_interruptible(work, args.work_dir)


if __name__ == '__main__':
    sys.exit(main())
