"""Distillation by Pearson correlation."""
import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.sizes import resized

from ..checks import Tensors, pair_tensors

ADVICE = ("Add connector=dict(type='mmkd.ConvConnector') to the term where the widths differ, and name as many levels "
          'of both models.')
EPSILON = 1e-6  # the authors', added to the deviation


@MODELS.register_module()
class PKDLoss(nn.Module):
    r"""Matches the features of a detector's levels by their correlation, whatever their mean and size.

    .. math:: \sum_l \frac{1}{2} \operatorname{mean}\, \big(\hat S^l - \hat T^l\big)^2, \qquad
        \hat x_c = \frac{x_c - \mu_c}{\sigma_c + 10^{-6}}

    Mean and standard deviation are those of a channel over batch and positions, so that the loss is
    :math:`1 - r` with the Pearson correlation :math:`r` of a channel, averaged over the channels, up to the factor
    :math:`(n-1)/n` of :math:`n` values. Heads and label assignments of the two models may differ. Where a level of the
    student has another size than its partner, it is resized (bilinear). A channel that is constant, up to
    rounding, counts as 0 and gets no gradient. On several GPUs each takes the statistics of its own images, as in the
    authors' code.

    Source: Cao et al., PKD: General Distillation Framework for Object Detectors via Pearson Correlation Coefficient,
    NeurIPS 2022, arXiv 2207.02039, Eq. 5.
    Differs from the authors' code: for constant channels, whose gradient there is of the order of 1e6; and they resize
    only where the heights differ. The weight of the term is 6 for two-stage detectors and 10 for RetinaNet there.

    Shapes: student, teacher (N, C, H, W), or lists of such, one a level, which are summed. target is not used.
    Returns a scalar.
    """

    needs_target = False

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The numbers of maps, the batches or the widths differ.
        """
        pairs = pair_tensors(self, student, teacher, equal='NC', advice=ADVICE)
        return sum(_one_level(resized(s, t.shape[2:]), t) for s, t in pairs)


def _one_level(student: Tensor, teacher: Tensor) -> Tensor:
    difference = _standardised(student) - _standardised(teacher)
    return difference.square().sum() / max(difference.numel(), 1) / 2  # a mean, but 0 without regions


def _standardised(maps: Tensor) -> Tensor:
    """Each channel with mean 0 and standard deviation 1; one that is constant up to rounding is 0."""
    mean = maps.mean((0, 2, 3), keepdim=True)
    centred = maps - mean
    count = maps.numel() // maps.shape[1]
    variance = centred.square().sum((0, 2, 3), keepdim=True) / max(count - 1, 1)
    rounding = 8 * torch.finfo(maps.dtype).eps * mean.detach().abs()
    varies = variance.detach() > rounding.square()
    deviation = variance.where(varies, 1.).sqrt()
    return (centred / (deviation + EPSILON)).where(varies, 0.)
