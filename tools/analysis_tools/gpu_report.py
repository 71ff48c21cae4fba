"""Reports what must be known of a GPU: are the kernels right, how fast are they, models and distillation steps."""
import argparse
import shlex
import sys
from pathlib import Path

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import torch

from mmkd.benchmarks.gpu_report.report import PARTS, markdown, run
from mmkd.benchmarks.gpu_report.settings import Settings
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    whole = sum(part.seconds for part in PARTS.values())
    parser = ToolParser(
        description=f'{__doc__} At most {whole / 60:.0f} minutes, mostly less; each part runs in a process with a '
        'limit of its own, and the files are written after each. Needs no data and no weights.',
        epilog='Parts: ' + '; '.join(f'{name}: {part.title}, at most {part.seconds} s'
                                     for name, part in PARTS.items()) + '.')
    parser.add_argument('--parts', nargs='+', choices=PARTS, metavar='PART', help=f'some of {", ".join(PARTS)}')
    parser.add_argument('--quick', action='store_true', help='the most telling cases only, in 2 minutes')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/gpu_report'), metavar='FILE',
                        help='where to write, with the endings .json and .md (default: %(default)s)')
    parser.add_argument('--device', default='cuda', choices=('cuda', 'cpu'),
                        help="cpu tries the report itself, in Triton's interpreter; its figures say nothing")
    parser.add_argument('--small', action='store_true', help='tiny maps and models, for that')
    parser.add_argument('--limit', type=float, metavar='SECONDS', help="for each part, in place of its own")
    args = parser.parse_args(argv)
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise UserError('gpu_report expects a GPU, found none. Run it where there is one, or try it with '
                        '--device cpu --small.')
    return args


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    names = args.parts or [name for name, part in PARTS.items() if part.quick or not args.quick]
    command = 'python tools/analysis_tools/gpu_report.py ' + shlex.join(sys.argv[1:])
    report = run(names, Settings(args.device, args.quick, args.small), args.out, command.strip(),
                 lambda line: print(line, file=sys.stderr), args.limit)
    print(markdown(report))
    print(f'Written: {args.out.with_suffix(".json")}, {args.out.with_suffix(".md")}')


if __name__ == '__main__':
    sys.exit(main())
