"""Pairing the maps of a student and of a teacher, stage by stage."""
from typing import TypeAlias

from torch import Tensor, nn

from mmkd.utils import UserError

from .checks import at_least_fp32, shape_of

Maps: TypeAlias = Tensor | list[Tensor]


def pair_maps(loss: nn.Module,
              student: Maps,
              teacher: Maps,
              same_channels: bool = False,
              vectors: bool = False) -> list[tuple[Tensor, Tensor]]:
    """Pairs student maps with teacher maps in at least fp32, the teacher's detached.

    Args:
        loss: The loss that asks; errors name it.
        student: A map (N, C, H, W), or one a stage.
        teacher: Likewise.
        same_channels: Whether the maps of a pair have to be equally wide.
        vectors: Whether a feature (N, C) is taken too, as a map (N, C, 1, 1).

    Returns:
        One (student, teacher) a stage.

    Raises:
        UserError: The numbers of maps, the batch sizes or (``same_channels``) the widths differ, or one is no map.
    """
    name = type(loss).__name__
    students = [student] if isinstance(student, Tensor) else list(student)
    teachers = [teacher] if isinstance(teacher, Tensor) else list(teacher)
    if len(students) != len(teachers):
        raise UserError(f'{name} expects as many student maps as teacher maps, got {len(students)} and '
                        f'{len(teachers)}. Name as many student taps as teacher taps.')
    if vectors:
        students, teachers = [as_map(s) for s in students], [as_map(t) for t in teachers]
    compared = 2 if same_channels else 1
    for s, t in zip(students, teachers):
        if s.dim() != 4 or t.dim() != 4 or s.shape[:compared] != t.shape[:compared]:
            raise UserError(
                f'{name} expects maps (N, C, H, W) of equal {"N and C" if same_channels else "N"}, got '
                f'{shape_of(s)} from the student and {shape_of(t)} from the teacher. Tap maps on both sides'
                f'{", and add a connector to the term that gives the teacher width" if same_channels else ""}.')
    return [(at_least_fp32(s), at_least_fp32(t.detach())) for s, t in zip(students, teachers)]


def as_map(feature: Tensor) -> Tensor:
    """Shapes a pooled feature (N, C) as a map (N, C, 1, 1) and leaves everything else alone."""
    return feature[:, :, None, None] if feature.dim() == 2 else feature
