"""What the taps of a model read, as shapes and as a table of a recipe's terms."""
from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmkd.distillers import Distiller, Taps, Term
from mmkd.distillers.inputs import image_channels
from mmkd.distillers.models import fake_samples, forward_mode
from mmkd.distillers.schedule import WeightSchedule
from mmkd.distillers.taps import named_locations
from mmkd.utils import UserError

HEADER = ('term', 'weight', 'student', 'connector', 'loss', 'teacher')
BATCH = 2


@torch.no_grad()
def tap_shapes(model: BaseModel, size: tuple[int, int], names: Sequence[str] | None = None) -> dict[str, str]:
    """Runs two random images through a model and notes the shape of what each tap reads.

    Args:
        model: The model; it keeps the taps' hooks, which do nothing in other forward passes.
        size: Height and width of the images.
        names: The taps; None takes all that have a name of their own (stages, ``pre_logits``, ``logits``).

    Returns:
        Tap to shape, with ``N`` for the number of images; ``'not run'`` for what the forward pass does not reach.

    Raises:
        UserError: A tap does not exist, or the model cannot forward images of this size.
    """
    taps = Taps(model, list(named_locations(model)) if names is None else names)
    was_training = model.training
    model.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            images = torch.rand(BATCH, image_channels(model), *size)
            _, tensors = taps.read(model, images, fake_samples(model, BATCH, size), mode=forward_mode(model))
    except RuntimeError as error:
        raise UserError(f'the {type(model).__name__} cannot forward images of {size[0]}×{size[1]} ({error}). '
                        'Give another --input-size.') from error
    finally:
        model.train(was_training)
    return {name: shape_text(tensors[name]) if name in tensors else 'not run' for name in taps.names}


def matching_modules(model: nn.Module, pattern: str) -> list[str]:
    """The dotted paths of a model's modules that match a shell pattern, such as ``backbone.stages.?.0``."""
    return [path for path, _ in model.named_modules() if path and fnmatchcase(path, pattern)]


def shape_text(value: object) -> str:
    """The shape of a tensor, of a list of tensors or of a shape itself; a batch of two is written ``N``."""
    if isinstance(value, Tensor):
        value = tuple(value.shape)
    if isinstance(value, list):
        return f'[{", ".join(map(shape_text, value))}]' if value else 'no tensor'
    if not isinstance(value, tuple):
        return type(value).__name__
    numbers = ['N' if not place and number == BATCH else str(number) for place, number in enumerate(value)]
    return f'({", ".join(numbers)}{"," if len(numbers) == 1 else ""})'


def term_rows(distiller: Distiller, terms: dict[str, dict]) -> list[list[str]]:
    """A row of cells for each term of a distiller, to go below :data:`HEADER`; a cell may have several lines.

    Args:
        distiller: The distiller.
        terms: The recipe's ``terms``, for the settings of losses and connectors.
    """
    shapes = distiller.tapped_shapes
    rows = []
    for name, term in distiller.terms.items():
        taps = [[f'{tap} {shape_text(shapes[role][tap])}' for tap in wanted]
                for role, wanted in (('student', term.student_taps), ('teacher', term.teacher_taps))]
        cells = [[name], weight_lines(term.weight), taps[0], _connector_lines(term, terms[name].get('connector')),
                 [*_settings(terms[name]['loss']), *_parameters(term.loss)], taps[1]]
        rows.append(['\n'.join(lines) for lines in cells])
    return rows


def weight_lines(weight: WeightSchedule) -> list[str]:
    """A weight, and what becomes of it in the course of training."""
    unit = 'epochs' if weight.by_epoch else 'iterations'
    lines = [f'{weight.value:g}']
    if weight.warmup:
        lines.append(f'warm-up of {weight.warmup} {unit}')
    if weight.decay:
        lines.append(f'{weight.decay} decay from {weight.decay_from} {unit}')
    if weight.stop is not None:
        lines.append(f'0 from {weight.stop} {unit}')
    return lines


def _connector_lines(term: Term, config: dict | list | None) -> list[str]:
    if term.connectors is None:
        return ['']
    if isinstance(config, dict):
        number = f'{len(term.connectors)} × ' if len(term.connectors) > 1 else ''
        first, *rest = _settings(config)
        return [number + first, *rest, *_parameters(term.connectors)]
    return [line for item, connector in zip(config, term.connectors, strict=True)
            for line in ([*_settings(item), *_parameters(connector)] if item else ['none'])]


def _settings(config: dict) -> list[str]:
    name = config['type'] if isinstance(config['type'], str) else config['type'].__name__
    return [name.rpartition('.')[2],
            *(f'{key}={value!r}' for key, value in config.items() if key not in ('type', '_scope_'))]


def _parameters(module: nn.Module) -> list[str]:
    count = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return [f'{count:,} parameters'] if count else []
