"""Several processes that share the work of a command, and what is said where the memory is not enough."""
import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.dist import init_dist

from mmkd.utils import UserError
from mmkd.utils.errors import lacks_memory
from mmkd.utils.processes.distributed import prepare_cpu_processes


def add_launcher_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds how processes are started.

    Args:
        parser: The parser.
        what: What they share.
    """
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help=f'how the processes are started that share the {what}')


def join_processes(args: argparse.Namespace) -> None:
    """Lets the processes of a launcher find each other, and gives each a device of its own unless one is named.

    Args:
        args: The command line, with ``launcher`` and ``device``.
    """
    if args.launcher == 'none':
        return
    prepare_cpu_processes(Config(dict(launcher=args.launcher)))
    if not torch.distributed.is_initialized():
        init_dist(args.launcher)
    if torch.cuda.is_available() and args.device is None:
        args.device = f'cuda:{int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count()}'


@contextmanager
def enough_memory(what: str, options: str) -> Iterator[None]:
    """Says which options to lower where the memory is not enough.

    Args:
        what: What needs it.
        options: The options, such as ``'--size or --batch-size'``.

    Raises:
        UserError: It was not enough.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        raise UserError(f'{what} needs more memory than there is. Lower {options}.') from error
