"""Several processes that share the work of a command, and what is said of classes that differ."""
import argparse
import os
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_main_process

from mmkd.datasets.verification.class_names import classes_named, classes_of_checkpoint, compared
from mmkd.utils import UserError
from mmkd.utils.processes.distributed import prepare_cpu_processes
from mmkd.zoo.checkpoint_meta import read_meta

from .batches import ImageBatches
from .models import RANDOM, AnalysedModel, split_model


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


def check_labels(models: Sequence[AnalysedModel], images: ImageBatches) -> None:
    """Compares the classes of images with those that the models' checkpoints name, as a test does.

    Args:
        models: The models, as a command line names them.
        images: The images.

    Raises:
        UserError: Classes have another label than the model learnt.
    """
    if problem := other_labels(models, images):
        raise UserError(problem)


def other_labels(models: Sequence[AnalysedModel], images: ImageBatches) -> str:
    """Why the labels of images are not those of a model, by the names of their classes; empty if nothing says so.

    Args:
        models: The models, as a command line names them.
        images: The images.
    """
    classes = classes_named(images.source.name, images.source.classes)
    for model in models:
        file = split_model(model.name)[1]
        known = None if file in (None, RANDOM) else classes_of_checkpoint(f'the checkpoint {file}', read_meta(file))
        problem = None if known is None else compared(known, classes)
        if problem is not None and problem.level == 'error':
            return f'{model.label}: {problem.text}'
    return ''


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
