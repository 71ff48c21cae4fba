"""The attention-based fusion of knowledge review."""
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.sizes import resized, scaled_size

Size = tuple[int, int] | None


@MODELS.register_module()
class AttentionFusionConnector(nn.Module):
    r"""Lets each student stage review the deeper ones, and projects them all to the teacher's widths.

    From the deepest stage up: a 1×1 convolution and a batch norm bring the stage to a middle width; the residual
    :math:`r` of the deeper stage is resized to it (nearest); two attention maps, the sigmoid of a 1×1 convolution of
    both, weigh their sum. It goes on to the next stage and, by a 3×3 convolution and a batch norm, to the output.

    .. math:: x_l = \operatorname{BN}(W_1 s_l), \quad (a, b) = \sigma\big(W_a [x_l, r_{l+1}]\big), \quad
        r_l = a \odot x_l + b \odot r_{l+1}, \quad y_l = \operatorname{BN}(W_3 * r_l)

    Source: Chen et al., Distilling Knowledge via Knowledge Review, 2021, arXiv 2104.09044 (attention based fusion).
    Differs from the authors' code: nothing where maps are square. Theirs is given the maps' sides as a list; here
    they are read from the maps. Theirs reviews the pooled feature as the deepest stage: name the tap
    ``pre_logits`` last on both sides for that.

    Args:
        student_channels: Width of each student tap, shallowest first. Inferred from the taps in a recipe.
        teacher_channels: Width of each teacher tap. Inferred from the taps in a recipe.
        teacher_size: Height and width of each teacher map, to which the fused map is resized (nearest); None for a
            pooled feature. Inferred from the taps in a recipe; left out, maps keep their size.
        student_size: Those of the student's maps. Inferred likewise. Maps of another size, of images of another size,
            are resized by the same ratio; left out, to ``teacher_size``.
        mid_channels: Middle width. The deepest stage's, 512 at the most, where it is left out (authors: 512 on
            CIFAR and for ResNet-18, 256 for MobileNet on ImageNet).

    Shapes: list of (N, student_channels[i], H_i, W_i), or (N, student_channels[i]) as a 1×1 map → list of
    (N, teacher_channels[i], H_i', W_i'), in the same order: ``teacher_size[i]`` for a map of ``student_size[i]``.

    Raises:
        UserError: The lists differ in length.
    """

    joint = True

    def __init__(self,
                 student_channels: Sequence[int],
                 teacher_channels: Sequence[int],
                 teacher_size: Sequence[Size] | None = None,
                 student_size: Sequence[Size] | None = None,
                 mid_channels: int | None = None) -> None:
        super().__init__()
        count = len(student_channels)
        theirs = [None] * count if teacher_size is None else teacher_size
        ours = [None] * count if student_size is None else student_size
        if count == 0 or {len(teacher_channels), len(theirs), len(ours)} != {count}:
            raise UserError(f'AttentionFusionConnector expects as many teacher widths and sizes as its {count} student '
                            f'widths, got {len(teacher_channels)} widths and {len(theirs)} sizes. Name as many student '
                            'taps as teacher taps.')
        middle = min(512, student_channels[-1]) if mid_channels is None else mid_channels
        self.stages = nn.ModuleList(
            _FusionStage(student_channels[i], middle, teacher_channels[i], i < count - 1) for i in range(count))
        self.sizes = list(zip(ours, theirs, strict=True))

    def forward(self, student: Sequence[Tensor], size: Sequence[Sequence[int]] | None = None) -> list[Tensor]:
        """Fuses the maps of all student taps, shallowest first; see the class for shapes.

        Args:
            student: The maps.
            size: Height and width of each of the teacher's maps, where they are known.

        Raises:
            UserError: There are more or fewer maps than stages, or one is neither a map nor a pooled feature.
        """
        maps = [s[:, :, None, None] if s.dim() == 2 else s for s in student]
        if len(maps) != len(self.stages) or any(s.dim() != 4 for s in maps):
            raise UserError(f'AttentionFusionConnector expects {len(self.stages)} maps (N, C, H, W) or pooled features '
                            f'(N, C), got {[tuple(s.shape) for s in student]}.')
        outputs: list[Tensor] = []
        residual = None
        for i in reversed(range(len(maps))):
            wanted = _wanted_size(maps[i].shape[2:], *self.sizes[i]) if size is None else size[i]
            residual, output = self.stages[i](maps[i], residual, wanted)
            outputs.append(output)
        return outputs[::-1]


class _FusionStage(nn.Module):
    """One stage: takes its map and the deeper residual, returns its own residual and its output.

    Args:
        student_channels: Width of the map.
        mid_channels: Width of the residuals.
        teacher_channels: Width of the output.
        fuses: False for the deepest stage, which has nothing to review.
    """

    def __init__(self, student_channels: int, mid_channels: int, teacher_channels: int, fuses: bool) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(student_channels, mid_channels, 1, bias=False), nn.BatchNorm2d(mid_channels))
        self.attention = nn.Conv2d(2 * mid_channels, 2, 1) if fuses else None
        self.expand = nn.Sequential(
            nn.Conv2d(mid_channels, teacher_channels, 3, padding=1, bias=False), nn.BatchNorm2d(teacher_channels))
        for conv in (self.reduce[0], self.expand[0]):
            nn.init.kaiming_uniform_(conv.weight, a=1)

    def forward(self, features: Tensor, deeper: Tensor | None, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        fused = self.reduce(features)
        if self.attention is not None:
            deeper = resized(deeper, fused.shape[2:], 'nearest')
            weights = self.attention(torch.cat([fused, deeper], dim=1)).sigmoid()  # (N, 2, H, W)
            fused = fused * weights[:, :1] + deeper * weights[:, 1:]
        fused = resized(fused, size, 'nearest')
        return fused, self.expand(fused)


def _wanted_size(now: Sequence[int], student: Size, teacher: Size) -> Sequence[int]:
    """The size to resize a map to: by the ratio at build, or as the teacher's was where the student's is not known."""
    if teacher is None:
        return now
    return tuple(teacher) if student is None else scaled_size(now, student, teacher)
