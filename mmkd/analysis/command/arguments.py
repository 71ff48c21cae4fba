"""The options that the commands share.

The completion of a shell finds them where a tool imports functions that begin with ``add_`` from this module.
"""
import argparse
import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.device import get_device

from mmkd.utils import UserError
from mmkd.zoo import load_safely_everywhere

from .batches import ImageBatches
from .images import find_images
from .models import AnalysedModel, build_models

MODELS = """\
MODEL is a config (of a recipe, its student), a name of the model index (mmkd zoo list), timm:NAME or hf:NAME.
CHECKPOINT is a file, a URL or a name of the index. Without it the published weights are taken, if there are any, or
else random ones, which the labels then say; MODEL=random takes random ones in any case.
"""


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the models and their labels."""
    parser.add_argument('models', nargs='+', metavar='MODEL[=CHECKPOINT]', help='the models, see below')
    parser.add_argument('--labels', nargs='+', metavar='LABEL', help='what each model is called in the picture')
    parser.add_argument('--device', help='cpu, cuda, cuda:1 … (default: a GPU if there is one)')


def add_image_arguments(parser: argparse.ArgumentParser, number: int, size: str) -> None:
    """Adds the images.

    Args:
        parser: The parser.
        number: How many there are by default.
        size: What is said of the default size.
    """
    parser.add_argument('--images', metavar='FOLDER', help='images of any folder, whose subfolders are the classes, or '
                        'the validation set of a config (default: that of the first model that has one)')
    parser.add_argument('--number', type=int, default=number, help=f'how many images (default: {number})')
    parser.add_argument('--size', type=int, help=f'side of the images in pixels (default: {size})')
    parser.add_argument('--first', action='store_true', help='take the first images in their order, instead of drawing '
                        'them evenly over the classes')
    parser.add_argument('--seed', type=int, default=0, help='of all that is drawn (default: 0)')


def add_output_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Adds where the results go.

    Args:
        parser: The parser.
        out: The default folder.
    """
    parser.add_argument('--out', default=out, metavar='FOLDER', help=f'where the results go (default: {out})')
    parser.add_argument('--force', action='store_true', help='overwrite results that are there')


def analysed_models(args: argparse.Namespace) -> list[AnalysedModel]:
    """Builds the models of a command line.

    Raises:
        UserError: See :func:`~mmkd.analysis.command.models.build_models`; or there is no such device.
    """
    load_safely_everywhere()
    logging.disable(logging.WARNING)  # MMEngine logs how it initialises each parameter
    args.device = args.device or get_device()
    try:
        torch.empty(1, device=args.device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f'--device expects a device of this machine, got {args.device!r} '
                        f'({str(error).splitlines()[0]}). Give cpu.') from error
    return build_models(args.models, args.labels, args.device)


def analysed_images(args: argparse.Namespace, models: Sequence[AnalysedModel], batch_size: int = 1,
                    size: int | None = None, crop: bool = False) -> ImageBatches:
    """Finds the images of a command line.

    Args:
        args: The command line.
        models: The models, whose configs have validation sets.
        batch_size: Images a batch.
        size: Side of the images if the command line says none; None takes their own, or 224.
        crop: See :class:`ImageBatches`.

    Raises:
        UserError: There are none, or a number is out of range.
    """
    if args.seed < 0:
        raise UserError(f'--seed expects 0 or more, got {args.seed}. Correct it.')
    source = find_images(args.images, [(model.name, model.config) for model in models])
    size = size if args.size is None else args.size
    return ImageBatches(source, args.number, batch_size, size, crop, args.first, args.seed)


def settings_of(args: argparse.Namespace, models: Sequence[AnalysedModel], images: ImageBatches | None = None
                ) -> dict[str, Any]:
    """What is written beside the numbers: the command line, the models and the images."""
    return dict(arguments=vars(args), models=[model.settings() for model in models],
                images=images.settings() if images else None)
