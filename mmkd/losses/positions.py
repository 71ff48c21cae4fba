"""Pairing student and teacher features position by position, where one side may be pooled."""
from torch import Tensor, nn

from mmkd.utils import UserError
from mmkd.utils.sizes import resized

from .checks import MAPS_OR_VECTORS, Tensors, pair_tensors, shape_of

ADVICE = ('Add a connector to the term (mmkd.ConvConnector for maps, mmkd.LinearConnector for pooled features), and '
          'tap maps on both sides or a pooled feature of the teacher.')


def pair_positions(loss: nn.Module, student: Tensors, teacher: Tensors) -> list[tuple[Tensor, Tensor]]:
    """Pairs maps (N, C, H, W) or features (N, C), the student's at the teacher's positions.

    The student's map is resized to the teacher's (bilinear), so that all detail of the teacher's is a target; for a
    pooled feature of the teacher it is averaged.

    Args:
        loss: The loss that asks; errors name it.
        student: A tensor, or one a tap.
        teacher: Likewise.

    Returns:
        One (student, teacher) a pair, as maps of equal shape, the teacher's detached.

    Raises:
        UserError: The numbers of tensors, the batches, the channels or the forms differ.
    """
    pairs = pair_tensors(loss, student, teacher, MAPS_OR_VECTORS, equal='NC', advice=ADVICE)
    for s, t in zip(*(value if isinstance(value, list | tuple) else [value] for value in (student, teacher)),
                    strict=True):
        if s.dim() == 2 and t.dim() == 4:
            raise UserError(f'{type(loss).__name__} expects a map of the student for a map of the teacher, got '
                            f'{shape_of(s)} and {shape_of(t)}. {ADVICE}')
    return [(_at(s, t.shape[2:]), t) for s, t in pairs]


def _at(student: Tensor, size: tuple[int, int]) -> Tensor:
    return student.mean((2, 3), keepdim=True) if tuple(size) == (1, 1) else resized(student, size)
