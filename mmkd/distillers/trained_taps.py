"""Whether the terms can train the student."""
from collections.abc import Collection, Iterable

from torch import Tensor

from mmkd.utils import UserError

from .taps import Tapped
from .term import Term


def check_trained(terms: Iterable[Term], student: Tapped, detached: Collection[str]) -> None:
    """Checks that a gradient can reach the student from every term that will ever have a weight.

    Args:
        terms: The terms.
        student: What the student's taps have read in a pass with gradients.
        detached: Those taps that ran inside a part of the pass without gradients.

    Raises:
        UserError: A tap is in such a part, or none of a term's taps has a gradient.
    """
    for term in terms:
        if not term.weight.value:
            continue
        lost = [tap for tap in term.student_taps if tap in detached]
        if lost:
            raise UserError(
                f'term {term.name!r} expects student taps that train the student, but {", ".join(lost)} of it runs '
                'without gradients, below reentrant checkpointing or torch.no_grad. Tap the module around it, or '
                'switch checkpointing off (with_cp=False).')
        if not any(_has_gradient(student[tap]) for tap in term.student_taps):
            raise UserError(
                f'term {term.name!r} expects student taps that train the student, but no parameter before '
                f'{", ".join(term.student_taps)} of it is trained. Tap a later module, or set frozen_stages lower.')


def _has_gradient(value: Tensor | list) -> bool:
    return value.requires_grad if isinstance(value, Tensor) else any(_has_gradient(item) for item in value)
