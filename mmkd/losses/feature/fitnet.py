"""FitNets: the squared distance of features."""
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS

from ..checks import Tensors
from ..positions import pair_positions


@MODELS.register_module()
class FitNetLoss(nn.Module):
    r"""Matches the student's projected features with the teacher's by their mean squared distance.

    .. math:: \sum_l \operatorname{mean}\, \big(g(S^l) - T^l\big)^2

    :math:`g` is the term's connector. A student map of another size is resized to the teacher's (bilinear), and
    averaged for a pooled feature of the teacher. Of several teachers, the one with the largest features would count
    most: standardise them by the term's ``teacher_norm``.

    Source: Romero et al., FitNets: Hints for Thin Deep Nets, 2015, arXiv 1412.6550, Eq. 3; with standardised teachers
    the loss of PHI-S (2024, arXiv 2410.01680).
    Differs from it: the mean over samples, channels and positions, without the factor 1/2; all layers learn at once.

    Shapes: student, teacher (N, C, H, W) or (N, C), or lists of such, which are summed. target is not used. Returns a
    scalar.
    """

    needs_target = False

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The numbers of tensors, the batch sizes, the channels or the forms differ.
        """
        return sum(F.mse_loss(s, t) for s, t in pair_positions(self, student, teacher))
