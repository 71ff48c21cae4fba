"""Several processes that share the work of a command, and what is said of classes that differ."""
import argparse
import os

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_main_process

from mmkd.utils.processes.distributed import prepare_cpu_processes

from .batches import ImageBatches


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


def say_other_classes(label: str, images: ImageBatches, classes: int) -> None:
    """Prints that images and model have other classes, where that is known: their numbers may mean other things.

    Args:
        label: The model.
        images: The images.
        classes: Classes of the model.
    """
    own = len(images.source.classes)
    if own not in (0, classes) and is_main_process():
        print(f'Careful: {label} has {classes} classes, {images.source.name} has {own}. Class 0 of the images is taken '
              'for class 0 of the model, and so on.')


