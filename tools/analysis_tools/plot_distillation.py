"""Draws what distillation runs did, from their logs."""
import argparse
from pathlib import Path

from mmkd.experiments.distillation_figures import DistillationLog, distillation_figure
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.figures import save_figure

EXPLANATION = """\
One row a run, with five panels:

  task loss and terms        as the log has them: with their weights, and smoothed over its window
  share of the gradient norm how much each loss pulls at the student's parameters, beside the others: the norm of its
                             gradient over the sum of these norms. A term far below the rest hardly teaches.
  validation                 the student's figure; the teacher's, measured before training, as a dashed line
  same top-1                 share of the validation images for which student and teacher predict the same class
  KL                         mean KL divergence of the student's from the teacher's probabilities

The rows share their scales. All is logged by mmkd.DistillationHook; see docs/monitoring.md. What a run has not logged
is marked in its panel. Interrupted and resumed runs are drawn as one.

examples:
  python tools/analysis_tools/plot_distillation.py work_dirs/my_recipe
  python tools/analysis_tools/plot_distillation.py work_dirs/kd work_dirs/nkd --out compared.png
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIR', help='work dir of a distillation run')
    parser.add_argument('--out', type=Path, metavar='FILE.png',
                        help='the picture (default: distillation.png in the first work dir); .svg and .pdf work too')
    parser.add_argument('--metric', metavar='NAME', help='validation figure, such as accuracy/top1 (default: the first '
                        'that student and teacher have in common)')
    return parser.parse_args(argv)


@one_line_errors
def main() -> None:
    """Reads the logs and saves the figure."""
    args = parse_args()
    figure = distillation_figure({str(folder): DistillationLog.read(folder) for folder in args.work_dirs}, args.metric)
    out = args.out or args.work_dirs[0] / 'distillation.png'
    save_figure(figure, out, '--out')
    print(f'Drawn: {out}')


if __name__ == '__main__':
    main()
