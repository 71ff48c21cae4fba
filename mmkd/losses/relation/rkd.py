"""Distillation of distances and angles between samples."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import NON_NEGATIVE, check_arguments

from ..checks import pair_features


@MODELS.register_module()
class RKDLoss(nn.Module):
    r"""Matches the distances between two samples and the angles among three, which no change of width disturbs.

    .. math:: \lambda_D \frac{1}{N^2} \sum_{ij} \ell\Big(\frac{\|s_i - s_j\|}{\mu_s},
        \frac{\|t_i - t_j\|}{\mu_t}\Big) + \lambda_A \frac{1}{N^3} \sum_{ijk}
        \ell\big(\cos\angle s_j s_i s_k, \cos\angle t_j t_i t_k\big)

    :math:`\mu` is the mean distance of two different samples of the batch, :math:`\ell` the smooth L1 that turns
    linear at 1. Samples with equal features have no direction: their angles count as 0 and give no gradient.

    Source: Park et al., Relational Knowledge Distillation, CVPR 2019, arXiv 1904.05068, Sec. 3.2.
    Differs from the authors' code: equal rows have the distance 0 and no gradient; there the distance is 1e-6 and the
    gradient explodes. Maps are averaged over positions first, not flattened.

    Args:
        distance_weight: :math:`\lambda_D`. 25 in the paper.
        angle_weight: :math:`\lambda_A`. 50 in the paper. Takes memory of N² C + N³ values; with 0 angles are left out.

    Shapes: student (N, C) or (N, C, H, W), teacher likewise with a width of its own. target is not used.
    Returns a scalar.
    """

    needs_target = False
    averages_positions = True

    def __init__(self, distance_weight: float = 25.0, angle_weight: float = 50.0) -> None:
        super().__init__()
        check_arguments(self, distance_weight=(distance_weight, NON_NEGATIVE),
                        angle_weight=(angle_weight, NON_NEGATIVE))
        if distance_weight == angle_weight == 0:
            raise UserError('RKDLoss expects weights of at least 0 and not both 0, got '
                            f'distance_weight={distance_weight} and angle_weight={angle_weight}.')
        self.distance_weight = distance_weight
        self.angle_weight = angle_weight

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The tensors are no features, or the batch sizes differ.
        """
        student, teacher = pair_features(self, student, teacher)
        student_lengths, student_directions = _pairs(student)
        teacher_lengths, teacher_directions = _pairs(teacher)
        loss = student.new_zeros(())
        if self.distance_weight:
            loss = loss + self.distance_weight * F.smooth_l1_loss(_relative(student_lengths),
                                                                  _relative(teacher_lengths))
        if self.angle_weight:
            loss = loss + self.angle_weight * F.smooth_l1_loss(_cosines(student_directions),
                                                               _cosines(teacher_directions))
        return loss


def _pairs(features: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (N, N) and unit vectors (N, N, C) of the differences; both 0 where rows are equal up to rounding."""
    differences = features.unsqueeze(0) - features.unsqueeze(1)  # (N, N, C): from row i to row j
    squares = differences.square().sum(dim=2)
    rounding = 8 * torch.finfo(features.dtype).eps * features.detach().abs().max()
    apart = squares > rounding.square()
    lengths = squares.where(apart, 1.).sqrt()
    return lengths.where(apart, 0.), (differences / lengths.unsqueeze(2)).where(apart.unsqueeze(2), 0.)


def _relative(lengths: Tensor) -> Tensor:
    """Divides by the mean off the diagonal, unless all rows are equal."""
    mean = lengths.sum() / max(len(lengths) * (len(lengths) - 1), 1)
    return lengths / mean.where(mean > 0, 1.)


def _cosines(directions: Tensor) -> Tensor:
    """Cosines (N, N, N) of the angles at row i between rows j and k."""
    return directions @ directions.transpose(1, 2)
