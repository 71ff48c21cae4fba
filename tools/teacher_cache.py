"""Keeps a teacher's answers, tells what was kept, and checks it."""
import argparse
import os
import sys
from pathlib import Path

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import init_dist, is_distributed
from mmengine.registry import init_default_scope

from mmkd.cache import Request, build, check, describe
from mmkd.datasets.configured import check_data_exists
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.overrides import ConfigOptions
from mmkd.utils.configs.finding import load_config
from mmkd.utils.processes.allocator import keep_freed_memory
from mmkd.utils.processes.distributed import prepare_cpu_processes
from mmkd.zoo import load_safely_everywhere

EXPLANATION = """\
build asks the teacher of a recipe about every view of every epoch, once, and keeps its answers; stopped at any moment,
it goes on with the same command. check loads some views again, compares them, and asks the teacher again. info tells
what is inside. A recipe trains from a cache by model.teacher.cache=FOLDER.

examples:
  python tools/teacher_cache.py build RECIPE --epochs 30 --out caches/slak
  python tools/teacher_cache.py info caches/slak
  python tools/teacher_cache.py check RECIPE caches/slak
  python tools/train.py RECIPE --cfg-options model.teacher.cache=caches/slak
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    add_build_arguments(commands.add_parser('build', help='ask the teacher, and keep its answers'))
    checking = commands.add_parser('check', help='ask the teacher about some views again')
    add_recipe_arguments(checking)
    checking.add_argument('cache', help='the folder of the cache')
    checking.add_argument('--number', type=int, default=64, help='how many views (default: 64)')
    checking.add_argument('--draw', type=int, default=0, help='seed of the choice of the views (default: 0)')
    commands.add_parser('info', help='tell what is inside').add_argument('cache', help='the folder of the cache')
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(getattr(args, 'local_rank', 0)))
    return args


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the recipe and where its teacher runs."""
    parser.add_argument('config', metavar='RECIPE', help='a distillation recipe')
    parser.add_argument('--teacher', metavar='NAME', help='which of several teachers')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='override config entries, as for training')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle checkpoints that hold Python objects; may run code of their author')


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what is kept, and how it is built."""
    add_recipe_arguments(parser)
    parser.add_argument('--out', required=True, metavar='FOLDER', help='the folder of the cache')
    parser.add_argument('--epochs', type=int, required=True,
                        help='epochs of views; a longer training sees them again and again')
    parser.add_argument('--topk', default='10', metavar='K', help="how many logits, or 'all' (default: 10)")
    parser.add_argument('--dtype', choices=('fp32', 'fp16'), default='fp32',
                        help='of all logits and of features; the logits of a top k are fp32 (default: fp32)')
    parser.add_argument('--tap', nargs='+', default=[], metavar='TAP',
                        help='further taps; those that the terms of the recipe read are kept in any case')
    parser.add_argument('--pool', action='store_true', help='average features over their places')
    parser.add_argument('--like-training', action='store_true',
                        help="ask in the training's own batches and order: bit for bit what a live teacher says")
    parser.add_argument('--batch-size', type=int, help="views asked about at once (default: the training's)")
    parser.add_argument('--workers', type=int, help="processes that load (default: the training's)")
    parser.add_argument('--seed', type=int, help='of the views, if the recipe has no replay=dict(seed=…) (default: 0)')
    parser.add_argument('--teacher-dtype', choices=('fp32', 'bf16', 'fp16'), help="default: the recipe's")
    parser.add_argument('--compile', action='store_true', help='compile the teacher')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='how the processes are started, each of which builds epochs of its own')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def read_recipe(args: argparse.Namespace) -> Config:
    """Reads the recipe and looks whether its data are there."""
    config = load_config(args.config, args.cfg_options)
    check_data_exists(config, ('train', ))
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    return config


def join(config: Config, launcher: str) -> None:
    """Joins the processes of a launcher."""
    config.launcher = launcher
    if launcher == 'none':
        return
    prepare_cpu_processes(config)
    if not is_distributed():
        init_dist(launcher, **(config.get('env_cfg', {}).get('dist_cfg') or {}))


def run_build(args: argparse.Namespace) -> None:
    """Builds a cache."""
    for option, value, least in (('--batch-size', args.batch_size, 1), ('--workers', args.workers, 0),
                                 ('--seed', args.seed, 0)):
        if value is not None and value < least:
            raise UserError(f'{option} expects {least} or more, got {value}. Correct it.')
    if args.topk != 'all' and not (args.topk.isascii() and args.topk.isdigit() and int(args.topk)):
        raise UserError(f"--topk expects a number from 1, or 'all', got {args.topk!r}. Correct it.")
    if args.device == 'cpu':
        keep_freed_memory()
    config = read_recipe(args)
    join(config, args.launcher)
    build(config, Request(
        Path(args.out), args.epochs, args.topk if args.topk == 'all' else int(args.topk), args.dtype, args.tap,
        args.pool, args.teacher, dict(dtype=args.teacher_dtype, compile=args.compile or None), args.batch_size,
        args.workers, args.like_training, args.seed, get_device() if args.device == 'cuda' else 'cpu'))


def run_check(args: argparse.Namespace) -> int:
    """Checks a cache; the exit status is 1 if something is wrong."""
    result = check(read_recipe(args), Path(args.cache), args.number, args.draw, args.teacher, args.device)
    for name, found in result.difference.items():
        print(f'{name}: records and teacher differ by at most {found:.1e} of the largest value')
    for line in result.problems:
        print(f'error: {line}')
    print(f'{args.cache}: {len(result.problems) or "no"} problem{"" if len(result.problems) == 1 else "s"} found')
    return 1 if result.problems else 0


@one_line_errors
def main() -> int | None:
    """Runs the tool."""
    args = parse_args()
    if args.command == 'info':
        print('\n'.join(describe(Path(args.cache))))
        return None
    load_safely_everywhere(args.trust_checkpoint)
    return run_check(args) if args.command == 'check' else run_build(args)


if __name__ == '__main__':
    sys.exit(main())
