"""Overhaul of feature distillation: a margin ReLU and a partial distance, before the teacher's ReLU."""
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import COUNT, COUNTS, check_arguments

from ..checks import Tensors, pair_tensors

ADVICE = 'Tap maps on both sides, and add a connector to the term that gives the teacher width.'
Norm = tuple[Tensor, Tensor] | None


@MODELS.register_module()
class OFDLoss(nn.Module):
    r"""Matches what the teacher's ReLU lets through, and asks of the rest only that it stay low.

    .. math:: \sum_i \frac{1}{2^{n-1-i}} \frac{1}{N} \sum_{N,C,H,W} \big[s > \hat t \,\lor\, t > 0\big]\,
        (s - \hat t)^2, \quad \hat t = \max(t, m_c), \quad m_c = \mathrm{E}[t_c \mid t_c < 0]

    The maps are read before a ReLU; the term's connector is ``mmkd.ConvConnector`` with ``norm=True``. i counts
    the n stages from the shallowest one. A teacher map of another size is average-pooled to the student's.

    The margin :math:`m_c` of a channel follows from the teacher's batch norm right before the tap: with
    scale :math:`\sigma = |\gamma|` and shift :math:`\beta` it is
    :math:`\beta - \sigma\,\varphi(\beta/\sigma) / \Phi(-\beta/\sigma)`, or :math:`-3\sigma` where
    :math:`\Phi(-\beta/\sigma) \le 0.001`. A tap without such a norm (layer-norm networks, SLaK) gets it from the
    definition: the mean of a channel's negative values over the first ``margin_batches`` training batches
    of all processes. That running mean is a buffer, so that it survives a resumed training, while ``load_from`` starts
    it anew; it takes in a batch before it is used, and passes without gradients leave it alone.

    Source: Heo et al., A Comprehensive Overhaul of Feature Distillation, 2019, arXiv 1904.01866 (margin
    ReLU and partial L2 distance); the stages' weights are those of the authors' code.
    Differs from the authors' code: nothing where the teacher has batch norms. Theirs leaves the division by
    N, here part of the loss, to the training script; estimated margins and pooling are not in it.

    Args:
        teacher_channels: Width of the teacher's tap, or one a tap. Inferred from the taps in a recipe.
        margin_batches: Over how many training batches margins are estimated. Not in the paper.

    Shapes: student, teacher (N, C, H, W), or lists of such, shallowest stage first. target is not used. Returns
    a scalar. The paper's usual weight of the term is 1e-3 on CIFAR and 1e-4 on ImageNet.

    Raises:
        UserError: ``margin_batches`` is not positive.
    """

    needs_target = False
    teacher_parts = ('norms', )

    def __init__(self, teacher_channels: int | Sequence[int], margin_batches: int = 100) -> None:
        super().__init__()
        check_arguments(self, teacher_channels=(teacher_channels, COUNTS), margin_batches=(margin_batches, COUNT))
        widths = [teacher_channels] if isinstance(teacher_channels, int) else teacher_channels
        self.margins = nn.ModuleList(_Margin(width, margin_batches) for width in widths)
        self._is_bound = False

    def bind(self, teacher_norms: Sequence[Norm]) -> None:
        """Takes the margins from the teacher's batch norms.

        Args:
            teacher_norms: For each teacher tap, weight and bias (C,) of the batch norm right before it, or None where
                there is none: that tap's margins are then estimated.

        Raises:
            UserError: There are more or fewer than teacher taps, or a norm has another width than its tap.
        """
        if len(teacher_norms) != len(self.margins):
            raise UserError(f'OFDLoss expects one entry of teacher_norms for each of its {len(self.margins)} teacher '
                            f'taps, got {len(teacher_norms)}. Write None for a tap without a batch norm.')
        for margin, norm in zip(self.margins, teacher_norms):
            if norm is not None:
                margin.set_from_norm(*norm)
        self._is_bound = True

    def check_taps(self, teacher: Sequence[Tensor]) -> None:
        """Refuses maps from behind a ReLU, where no margin ever acts. The dry run of a recipe calls it.

        Args:
            teacher: The teacher's maps (N, C, H, W).

        Raises:
            UserError: A map has no negative value, and the batch norm before it says that it should.
        """
        for number, (value, margin) in enumerate(zip(teacher, self.margins), 1):
            if not value.is_meta and (margin.value < 0).any() and not (value < 0).any():
                raise UserError('OFDLoss expects teacher maps from before a ReLU, got no negative value in map '
                                f'{number}. Tap the input of the ReLU that ends the stage, as '
                                '"backbone.layer4.2.relu@input" does.')

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: ``bind`` was not called, the numbers of maps or the channels of a pair differ, or the
                teacher's maps are not those that ``teacher_channels`` describes.
        """
        if not self._is_bound:
            raise UserError('OFDLoss expects to know the batch norms before the teacher taps. Call '
                            'bind(teacher_norms=[…]) first, with (weight, bias) or None for each tap.')
        pairs = pair_tensors(self, student, teacher, equal='NC', advice=ADVICE)
        widths, expected = [t.shape[1] for _, t in pairs], [margin.value.numel() for margin in self.margins]
        if widths != expected:
            raise UserError(f'OFDLoss expects teacher maps of {expected} channels, got {widths}. '
                            'Mend teacher_channels, or leave it out in a recipe.')
        deepest = len(pairs) - 1
        return sum(self._one_stage(s, t, margin) / 2**(deepest - i)
                   for i, ((s, t), margin) in enumerate(zip(pairs, self.margins)))

    def _one_stage(self, student: Tensor, teacher: Tensor, margin: '_Margin') -> Tensor:
        if teacher.shape[2:] != student.shape[2:]:
            teacher = F.adaptive_avg_pool2d(teacher, student.shape[2:])
        target = torch.maximum(teacher, margin(teacher).to(teacher.dtype))
        counts = (student > target) | (teacher > 0)
        return ((student - target).square() * counts).sum() / len(student)


class _Margin(nn.Module):
    """The expectation of each channel's negative values, (C,): known from a batch norm, or a running mean.

    Args:
        channels: C.
        most_batches: After how many training batches the running mean stands.
    """

    buffers_follow_teacher = True

    def __init__(self, channels: int, most_batches: int) -> None:
        super().__init__()
        self.most_batches = most_batches
        self.known = False
        self.register_buffer('value', torch.zeros(channels))
        self.register_buffer('negatives', torch.zeros(channels, dtype=torch.long))
        self.register_buffer('batches', torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def set_from_norm(self, weight: Tensor, bias: Tensor) -> None:
        """Computes the mean of the negative half of a normal distribution for each channel."""
        if weight.shape != self.value.shape:
            raise UserError(f'OFDLoss expects a batch norm of {self.value.numel()} channels before the teacher tap, '
                            f'got one of {weight.numel()}.')
        scale, shift = weight.cpu().double().abs(), bias.cpu().double()
        ratio = shift / scale.clamp_min(1e-30)  # a channel with scale 0 is constant
        density = torch.exp(-ratio.square() / 2) / math.sqrt(2 * math.pi)
        below = torch.special.ndtr(-ratio)
        margin = torch.where(below > 1e-3, shift - scale * density / below.clamp_min(1e-3), -3 * scale)
        self.value.copy_(margin)
        self.known = True

    def forward(self, teacher: Tensor) -> Tensor:
        """Returns the margins (1, C, 1, 1), after taking in the map (N, C, H, W) if it is still estimating."""
        # The counter is read from the device only while it can still run.
        if not self.known and self.training and torch.is_grad_enabled():
            self.known = bool(self.batches >= self.most_batches)
            if not self.known:
                self._take_in(teacher)
        return self.value[None, :, None, None]

    @torch.no_grad()
    def _take_in(self, teacher: Tensor) -> None:
        """Updates the running mean with the negative values of this batch on all processes."""
        total = teacher.clamp_max(0).sum(dim=(0, 2, 3))  # (C,)
        count = (teacher < 0).sum(dim=(0, 2, 3))
        all_reduce(total)
        all_reduce(count)
        self.negatives += count
        step = (total - count * self.value) / self.negatives.clamp_min(1)
        self.value += step.to(self.value.dtype)
        self.batches += 1
