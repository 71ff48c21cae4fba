"""Parts of a teacher that a loss may call on the student's tensors: classifier, last stage, norms."""
from collections.abc import Callable
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.utils import UserError

from .classifier_check import check_classifier
from .last_stage import last_stage
from .locations import Location
from .taps import Tapped, locate
from .teacher import Teacher
from .teachers import split_tap


class TeacherParts:
    """Hands out, by the names that a loss's ``bind`` uses, what it needs of the teacher besides tapped tensors.

    All functions are closures over the frozen teacher, so that no state dict and no ``deepcopy`` reaches into it.
    Every method takes the teacher taps of the term, each of which says whose part is meant.

    Args:
        teachers: The teachers by name; a single one has the name ``''``.
        images: The dry run's images (N, C, H, W), in the student's form.
        tapped: What the teachers' taps read of them.
    """

    def __init__(self, teachers: dict[str, Teacher], images: Tensor, tapped: Tapped) -> None:
        self.teachers = teachers
        self.images = images
        self.tapped = tapped

    def teacher_classifier(self, taps: list[str]) -> Callable[[Tensor], Tensor]:
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

    def teacher_last_stage(self, taps: list[str]) -> Callable[[Tensor], Tensor]:
        """The last stage: the map (N, C, H, W) of the stage before it → its map (N, C', H', W').

        Raises:
            UserError: The taps are of several teachers.
        """
        return last_stage(self._only_teacher(taps).model)

    def teacher_norms(self, taps: list[str]) -> list[tuple[Tensor, Tensor] | None]:
        """Weight and bias (C,) of the batch norm whose output (with a shortcut, perhaps) each tap reads, or None."""
        read = [split_tap(tap, self.teachers) for tap in taps]
        return [norm_before(self.teachers[name].model, locate(self.teachers[name].model, tap)) for name, tap in read]

    def _only_teacher(self, taps: list[str]) -> Teacher:
        names = sorted({split_tap(tap, self.teachers)[0] for tap in taps})
        if len(names) > 1:
            raise UserError(f'the loss expects teacher taps of one teacher, whose part it calls, got some of '
                            f'{", ".join(names)}. Write a term for each.')
        return self.teachers[names[0]]


def classifier(model: BaseModel) -> Callable[[Tensor], Tensor]:
    """The part of a classifier after its last stage.

    Args:
        model: A classifier of mmpretrain's or mmkd's that pools a map, or a timm model that does.

    Returns:
        A function: the map (N, C, H, W) of the tap of the last stage → logits (N, classes).

    Raises:
        UserError: The classifier reads a class token, or is of a kind that is not known.
    """
    timm_model, backbone = getattr(model, 'model', None), getattr(model, 'backbone', None)
    if hasattr(timm_model, 'forward_head') and not getattr(timm_model, 'num_prefix_tokens', 0):
        channels_last = getattr(timm_model, 'output_fmt', None) == 'NHWC'

        def forward_head(x: Tensor) -> Tensor:
            x = x.permute(0, 2, 3, 1) if channels_last else x
            return timm_model.forward_head(getattr(timm_model, 'norm', nn.Identity())(x))

        return forward_head
    if hasattr(model, 'head') and not getattr(backbone, 'num_extra_tokens', 0):

        def forward_end(x: Tensor) -> Tensor:
            x = _final_norm(backbone, x)
            if getattr(model, 'neck', None) is not None:
                x = model.neck((x,))[0]
            return model.head((x.flatten(1),))

        return forward_end
    raise UserError(f'the loss expects a teacher whose classifier reads the pooled map of its last stage, got a '
                    f'{type(backbone or timm_model or model).__name__}. Use a ConvNet or a Swin as the teacher.')


def _final_norm(backbone: Any, x: Tensor) -> Tensor:
    """Applies what ConvNeXts and Swins do between their last stage and the classifier."""
    norm = getattr(backbone, f'norm{len(getattr(backbone, "stages", ())) - 1}', None)
    if norm is None:
        return x
    if getattr(backbone, 'gap_before_final_norm', False):
        return norm(x.mean((2, 3), keepdim=True))
    if type(norm) is nn.LayerNorm:  # over the last dimension
        return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return norm(x)


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
