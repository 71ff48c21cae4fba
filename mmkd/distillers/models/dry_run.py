"""What the dry run of a distiller asks of its models."""
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from mmkd.utils import UserError

from ..taps import named_locations
from .plain import is_plain


@contextmanager
def images_fit(role: str, images: Tensor) -> Iterator[None]:
    """Names the form of the fake images where a model cannot run on them.

    Args:
        role: ``'student'`` or ``'teacher'``.
        images: The images (N, C, H, W).

    Raises:
        UserError: The model has raised something inside the block.
    """
    try:
        yield
    except UserError:
        raise
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        channels, height, width = images.shape[1:]
        raise UserError(f'the {role} cannot forward images of {height}×{width} with {channels} channels ({error}). '
                        "Set the recipe's input_size, or the teacher's, and give both models the same channels."
                        ) from error


def has_classes(student: nn.Module) -> bool:
    """Whether labels of images are something that a student's batches can have."""
    return (is_plain(student) or getattr(student, 'head', None) is not None
            or 'pre_logits' in named_locations(student))


def has_classifier(student: nn.Module) -> bool:
    """Whether a student ends with something that gives logits; a plain module's output need not be some."""
    return ('pre_logits' if is_plain(student) else 'logits') in named_locations(student)


def sizes(value: Tensor | list) -> object:
    """The shape of a tensor, or of each in a list."""
    return tuple(value.shape) if isinstance(value, Tensor) else [sizes(item) for item in value]
