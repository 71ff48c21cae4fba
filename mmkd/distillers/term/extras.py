"""What a loss asks for beside the tapped tensors, read from its signature."""
import inspect
from collections.abc import Callable, Mapping

from torch import nn

from mmkd.utils import UserError, nearest

# What the forward of a loss gets beside the tapped tensors, if it has an argument of that name.
EXTRAS = ('target', 'indices', 'data_samples')


def extras_of(loss: nn.Module) -> tuple[str, ...]:
    """Which of :data:`EXTRAS` a loss takes beside the two tapped values."""
    parameters = list(arguments_of(loss.forward).values())
    unnamed = next((str(p) for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)), None)
    if unnamed:
        raise UserError(f'{type(loss).__name__} expects forward to name its arguments, got {unnamed}. Write student, '
                        f'teacher and those it wants of {", ".join(EXTRAS)}.')
    parameters = parameters[2:]
    for parameter in parameters:
        if parameter.name not in EXTRAS:
            raise UserError(f'{type(loss).__name__} expects forward to have student, teacher and any of '
                            f'{", ".join(EXTRAS)}, got {parameter.name!r}. {nearest(parameter.name, EXTRAS)}')
    return tuple(parameter.name for parameter in parameters if parameter.name in EXTRAS)


def needs_target(loss: nn.Module, extras: tuple[str, ...]) -> bool:
    """Whether a loss says that it needs labels, or says nothing and has no default for them."""
    if hasattr(loss, 'needs_target') or 'target' not in extras:
        return bool(getattr(loss, 'needs_target', False))
    target = arguments_of(loss.forward)['target']
    return target.default is target.empty


def arguments_of(function: Callable) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function."""
    return inspect.signature(function).parameters
