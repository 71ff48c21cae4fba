"""What a term asks of the standardisations of its teacher's features."""
from collections.abc import Iterable

from torch import Tensor

from mmkd.registry import MODELS
from mmkd.standardisers import Standardisation
from mmkd.utils import UserError
from mmkd.utils.building.build import find_type

from .inferred import Value


def checked_norm(config: dict, teacher: Value, tap: str, what: str) -> dict:
    """A config, if it is that of a standardisation and the tap reads what one can be made for.

    Args:
        config: A term's ``teacher_norm``.
        teacher: What the tap has read.
        tap: Its name.
        what: The term, for messages.

    Raises:
        UserError: It is something else, or the tap reads several tensors.
    """
    kind = find_type(MODELS, config, what)
    if not (isinstance(kind, type) and issubclass(kind, Standardisation)):
        raise UserError(f"{what} expects teacher_norm to be a standardisation such as dict(type='mmkd.PHIS'), got "
                        f'{kind.__name__}. Use one of mmkd.standardisers.')
    if not isinstance(teacher, Tensor):
        raise UserError(f'{what} expects teacher taps that read one tensor, for its teacher_norm, got several of '
                        f'{tap}. Leave @all out.')
    return config


def is_estimating(norms: Iterable[Standardisation] | None) -> bool:
    """Whether some of a term's standardisations are not known yet."""
    return not all(norm.is_estimated for norm in norms or ())
