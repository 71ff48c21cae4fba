"""DistPro: every student stage learns from every teacher stage, by weights that are searched."""
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.layers import SingleValueBatchNorm2d
from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import COUNTS, check_arguments, each, one_of
from mmkd.utils.sizes import resized

from ..checks import MAPS_OR_VECTORS, Tensors, at_least_fp32, shape_of, tensors_of
from .reviewkd import ReviewKDLoss

CONNECTIONS = ('all', 'review')
TRANSFORMS = ('conv', 'attention', 'deep')
NORMALIZATIONS = ('softmax', 'biased')
DISTANCES = dict(hcl=(4, 2, 1), mse=())


@MODELS.register_module()
class DistProLoss(nn.Module):
    r"""Compares all pathways from student stages to teacher stages, and weighs them by a process in time.

    .. math:: \sum_p w_p\, D\big(G_p(S^{i_p}), T^{j_p}\big), \quad
        w_p = \frac{e^{\alpha_p}}{\sum_q e^{\alpha_q}} \ \text{or}\ \frac{e^{\alpha_p}}{e + \sum_q e^{\alpha_q}}

    A pathway p leads from student stage :math:`i_p` to teacher stage :math:`j_p` through a trained transform
    :math:`G_p` of its own. The buffer ``alpha`` is constant here: while the student trains,
    :class:`mmkd.engine.hooks.DistProSearchHook` searches it, or :class:`mmkd.engine.hooks.DistProProcessHook` replays
    what was searched. With neither, all pathways weigh the same.

    Transforms, all of which resize to the teacher's map (nearest): ``conv``: conv1×1, batch norm. ``attention``:
    conv1×1, batch norm, the map times a 1×1 convolution of itself to one channel, conv3×3, batch norm. ``deep``:
    conv3×3, batch norm, ReLU, that attention, conv3×3, batch norm, ReLU, conv3×3, batch norm. The middle width is the
    smallest of 512 and both widths.

    Source: Deng et al., DistPro: Searching a Fast Knowledge Distillation Process via Meta Optimization, ECCV 2022,
    arXiv 2204.05547; the details are those of the authors' code.
    Differs from the authors' code: nothing in the formula. It has the ``deep`` transform and the ``review``
    connections, and multiplies the biased weights by the number of pathways, which here is the term's ``weight``. A
    batch norm that sees one value a channel takes it for the mean, where theirs fails.

    Args:
        student_channels: Width of each student tap, shallowest first. Inferred from the taps in a recipe.
        teacher_channels: Width of each teacher tap, likewise.
        connections: ``'all'``, or ``'review'`` for those with a student stage at least as deep as the teacher's.
        transforms: One pathway for each of these and each connection: ``'conv'``, ``'attention'``, ``'deep'``.
        normalization: ``'softmax'``, or ``'biased'`` for a softmax with one more entry of 1, that no pathway gets.
        distance: ``'hcl'``, the one of :class:`mmkd.losses.ReviewKDLoss`, or ``'mse'``.

    Shapes: student, teacher (N, C, H, W) or (N, C), or lists of such of any lengths. target is not used. Returns a
    scalar.

    Raises:
        UserError: An argument is not one of the choices.
    """

    needs_target = False
    mixed_precision = True

    def __init__(self,
                 student_channels: int | Sequence[int],
                 teacher_channels: int | Sequence[int],
                 connections: str = 'all',
                 transforms: Sequence[str] = ('conv', ),
                 normalization: str = 'softmax',
                 distance: str = 'hcl') -> None:
        super().__init__()
        transforms = [transforms] if isinstance(transforms, str) else transforms
        check_arguments(
            self, student_channels=(student_channels, COUNTS), teacher_channels=(teacher_channels, COUNTS),
            connections=(connections, one_of(CONNECTIONS)), transforms=(transforms, each(one_of(TRANSFORMS))),
            normalization=(normalization, one_of(NORMALIZATIONS)), distance=(distance, one_of(DISTANCES)))
        self.student_channels, self.teacher_channels = _as_list(student_channels), _as_list(teacher_channels)
        self.normalization = normalization
        self._distance = ReviewKDLoss(DISTANCES[distance])
        self.pathways = [(i, j, kind) for j in range(len(self.teacher_channels))
                         for i in range(len(self.student_channels)) if connections == 'all' or i >= j
                         for kind in transforms]
        self.transforms = nn.ModuleList(
            _Transform(self.student_channels[i], self.teacher_channels[j], kind) for i, j, kind in self.pathways)
        self.register_buffer('alpha', torch.ones(len(self.pathways)))

    @property
    def pathway_names(self) -> list[str]:
        """A readable name of each pathway, in the order of ``alpha``; taps count from 1."""
        return [f'student {i + 1} to teacher {j + 1}, {kind}' for i, j, kind in self.pathways]

    def weights(self) -> Tensor:
        """The weights of the pathways (P,) that follow from ``alpha``."""
        if self.normalization == 'softmax':
            return self.alpha.softmax(0)
        return torch.cat([self.alpha, self.alpha.new_ones(1)]).softmax(0)[:-1]

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The tensors are no maps or features of the widths that the loss was built for.
        """
        students = self._checked('student', student, self.student_channels)
        teachers = self._checked('teacher', teacher, self.teacher_channels)
        distances = []
        for (i, j, _), transform in zip(self.pathways, self.transforms, strict=True):
            projected = at_least_fp32(transform(students[i], teachers[j].shape[2:]))
            distances.append(self._distance(projected, teachers[j]))
        return (self.weights() * torch.stack(distances)).sum()

    def _checked(self, role: str, value: Tensors, widths: list[int]) -> list[Tensor]:
        maps = tensors_of(self, role, value, MAPS_OR_VECTORS)
        if [m.shape[1] for m in maps] != widths:
            raise UserError(f'DistProLoss expects {role} maps (N, C, H, W) or features (N, C) of {widths} channels, '
                            f'got {shape_of(value)}. Tap stages, and leave {role}_channels out in a recipe.')
        return maps


class _Transform(nn.Module):
    """Brings a student map to a teacher's width and size; see :class:`DistProLoss` for the kinds."""

    def __init__(self, student_channels: int, teacher_channels: int, kind: str) -> None:
        super().__init__()
        middle = min(512, student_channels, teacher_channels)
        if kind == 'conv':
            before, after = _conv_norm(student_channels, teacher_channels, 1), []
        elif kind == 'attention':
            before = [*_conv_norm(student_channels, middle, 1), _Attention(middle)]
            after = _conv_norm(middle, teacher_channels, 3)
        else:
            before = [*_conv_norm(student_channels, middle, 3), nn.ReLU(), _Attention(middle),
                      *_conv_norm(middle, middle, 3), nn.ReLU()]
            after = _conv_norm(middle, teacher_channels, 3)
        self.before, self.after = nn.Sequential(*before), nn.Sequential(*after)

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        return self.after(resized(self.before(x), size, 'nearest'))


class _Attention(nn.Module):
    """Multiplies a map with a 1×1 convolution of itself to one channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv(x)


def _conv_norm(in_channels: int, out_channels: int, kernel_size: int) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode='fan_out', nonlinearity='relu')
    return [conv, SingleValueBatchNorm2d(out_channels, statistics='own')]


def _as_list(widths: int | Sequence[int]) -> list[int]:
    return [widths] if isinstance(widths, int) else list(widths)
