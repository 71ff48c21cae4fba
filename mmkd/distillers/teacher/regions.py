"""Which regions a two-stage teacher looks at: those of the student, or what their heads see cannot be compared."""
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mmkd.utils import UserError

from ..taps import Taps
from ..taps.dense import REGIONS

if TYPE_CHECKING:
    from .teacher import Teacher

STUDENT_REGIONS = f'{REGIONS}@input'  # a tap of the student: (regions, 5), image and corners
SHARED = (REGIONS, 'roi_head.bbox_head')


def shares_regions(model: nn.Module, taps: Taps) -> bool:
    """Whether some taps of a teacher read what depends on its proposals, which then have to be the student's.

    Args:
        model: The teacher.
        taps: Its taps.

    Raises:
        UserError: A tap is in a head that gets regions of its own, as those of masks and of cascades do.
    """
    inside = [_is_inside(model, tap, location.module) for tap, location in taps.locations.items()]
    return any(inside)


def wanted_regions(teachers: Iterable['Teacher']) -> list[str]:
    """The tap that the student needs for its teachers, if any of them looks at its regions."""
    return [STUDENT_REGIONS] if any(teacher.shares_regions for teacher in teachers) else []


def _is_inside(model: nn.Module, tap: str, module: str) -> bool:
    if not module.startswith('roi_head.'):
        return False
    shared = any(module == part or module.startswith(f'{part}.') for part in SHARED)
    if not shared or isinstance(model.get_submodule(REGIONS), nn.ModuleList):
        raise UserError(f'the teacher tap {tap!r} expects regions that student and teacher share, but each of them '
                        'finds its own there. Tap roi_features or roi_head.bbox_head of detectors without a cascade, '
                        'or the levels of the necks.')
    return True


@contextmanager
def _with_regions(model: nn.Module, regions: Tensor) -> Iterator[None]:
    extractor = model.get_submodule(REGIONS)
    handle = extractor.register_forward_pre_hook(lambda module, args: (args[0], regions, *args[2:]), prepend=True)
    try:
        yield
    finally:
        handle.remove()


def at_regions(model: nn.Module, regions: Tensor | None, scale: tuple[float, float]) -> object:
    """A block in which a teacher's box head looks at given regions, and not at its own proposals.

    Args:
        model: The teacher.
        regions: Those of the student (regions, 5), in pixels of its images; None for the teacher's own.
        scale: Height and width of the teacher's images over those of the student's.
    """
    if regions is None:
        return nullcontext()
    factors = regions.new_tensor([1., scale[1], scale[0], scale[1], scale[0]])
    return _with_regions(model, regions.detach() * factors)
