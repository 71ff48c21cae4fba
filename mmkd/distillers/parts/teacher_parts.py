"""Parts of a teacher that a loss may call on the student's tensors: classifier, last stage, norms."""
from collections.abc import Callable, Mapping, Sequence

from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.utils import UserError, nearest

from ..taps import Location, Tapped, locate
from ..teacher import Teacher, split_tap
from .classifier import check_classifier, classifier
from .last_stage import last_stage

PARTS = ('classifier', 'last_stage', 'norms')


class TeacherParts:
    """Hands out what a loss needs of the teacher besides tapped tensors, by the names in its ``teacher_parts``.

    The loss gets a part by the argument ``teacher_<part>`` of its ``bind``. All functions are closures over the frozen
    teacher, so that no state dict and no ``deepcopy`` reaches into it.
    Every method takes the teacher taps of the term, each of which says whose part is meant.

    Args:
        teachers: The teachers by name.
        images: The dry run's images (N, C, H, W), in the student's form.
        tapped: What the teachers' taps read of them.
    """

    def __init__(self, teachers: Mapping[str, Teacher], images: Tensor, tapped: Tapped) -> None:
        self.teachers = teachers
        self.images = images
        self.tapped = tapped

    def bind(self, loss: nn.Module, taps: Sequence[str]) -> None:
        """Gives a loss the parts that it declares.

        Args:
            loss: The loss. Its attribute ``teacher_parts`` names parts out of :data:`PARTS`; without, it needs none.
            taps: The teacher taps of its term.

        Raises:
            UserError: It declares a part that there is not, takes parts without declaring any, or the teacher lacks
                one.
        """
        name, wanted = type(loss).__name__, getattr(loss, 'teacher_parts', None)
        if wanted is None and hasattr(loss, 'bind'):
            raise UserError(f'{name} expects the attribute teacher_parts beside its bind, got none. Declare the parts '
                            f'out of {", ".join(PARTS)}.')
        if wanted and not getattr(type(loss), 'teacher_parts', ()):
            raise UserError(f'{name} expects teacher_parts to be declared in the class, got them in an object: the '
                            "teacher's weights would come too late. Move the line out of __init__.")
        for part in wanted or ():
            if part not in PARTS:
                raise UserError(f'{name} expects teacher_parts that there are, got {part!r}. {nearest(part, PARTS)}')
        if wanted:
            loss.bind(**{f'teacher_{part}': getattr(self, part)(taps) for part in wanted})

    def classifier(self, taps: Sequence[str]) -> Callable[[Tensor], Tensor]:
        """What follows the last stage: a map (N, C, H, W) → logits (N, classes), as found by trying it.

        Raises:
            UserError: The taps are of several teachers, or what was tried does not give the teacher's logits.
        """
        teacher, classify = self._only_teacher(taps), classifier(self._only_teacher(taps).model)
        for tap in taps:
            if isinstance(self.tapped[tap], Tensor) and self.tapped[tap].dim() == 4:
                check_classifier(classify, teacher, tap, self.tapped[tap], self.images)
                break
        return classify

    def last_stage(self, taps: Sequence[str]) -> Callable[[Tensor], Tensor]:
        """The last stage: the map (N, C, H, W) of the stage before it → its map (N, C', H', W').

        Raises:
            UserError: The taps are of several teachers.
        """
        return last_stage(self._only_teacher(taps).model)

    def norms(self, taps: Sequence[str]) -> list[tuple[Tensor, Tensor] | None]:
        """Weight and bias (C,) of the batch norm whose output (with a shortcut, perhaps) each tap reads, or None."""
        read = [split_tap(tap, self.teachers) for tap in taps]
        return [norm_before(self.teachers[name].model, locate(self.teachers[name].model, tap)) for name, tap in read]

    def _only_teacher(self, taps: Sequence[str]) -> Teacher:
        names = sorted({split_tap(tap, self.teachers)[0] for tap in taps})
        if len(names) > 1:
            raise UserError(f'the loss expects teacher taps of one teacher, whose part it calls, got some of '
                            f'{", ".join(names)}. Write a term for each.')
        return self.teachers[names[0]]


def norm_before(model: BaseModel, location: Location) -> tuple[Tensor, Tensor] | None:
    """The affine part of the batch norm that ends the block which a tap reads.

    Args:
        model: The teacher.
        location: A stage, a block, a batch norm, or the input of an activation in a block.

    Returns:
        Weight and bias, each (C,); None where the block's last norm is no batch norm.
    """
    path = location.module.rpartition('.')[0] if location.reads_input else location.module
    module = model.get_submodule(path)
    while isinstance(module, nn.Sequential | nn.ModuleList) and len(module):
        module = module[-1]
    norms = [norm for name, norm in module.named_modules()
             if isinstance(norm, _BatchNorm | nn.LayerNorm | nn.GroupNorm) and 'downsample' not in name]
    if not norms or not isinstance(norms[-1], _BatchNorm) or not norms[-1].affine:
        return None
    return norms[-1].weight.detach(), norms[-1].bias.detach()
