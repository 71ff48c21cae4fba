"""Cosine distance and smooth L1: how agglomerative models match the features of foundation models."""
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import NON_NEGATIVE, POSITIVE, check_arguments

from ..checks import Tensors
from ..positions import pair_positions


@MODELS.register_module()
class CosineSmoothL1Loss(nn.Module):
    r"""Matches direction and size of the teacher's features: a cosine distance and a smooth L1 at each position.

    .. math::
        \alpha\, \operatorname{mean}_p \big(1 - \cos(S_p, T_p)\big) + \beta\, \operatorname{mean}\, \ell(S - T), \quad
        \ell(d) = \begin{cases} d^2 / 2 & |d| \le 1 \\ |d| - 1/2 & |d| > 1 \end{cases}

    The cosine is over channels, at each position p of a map, or of a pooled feature. A student map of another size is
    resized to the teacher's (bilinear), so that all of the teacher's detail is a target; for a pooled feature of the
    teacher it is averaged.

    Source: Ranzinger et al., AM-RADIO: Agglomerative Vision Foundation Model, 2024, arXiv 2312.06709, which has both
    parts for maps and the cosine alone for the summary (the class token); Theia (arXiv 2407.20179) has both.

    Args:
        alpha: Weight of the cosine distance. 0.9 in both papers for maps; 1 for a summary.
        beta: Weight of the smooth L1. 0.1 in both papers for maps; 0 for a summary.
        eps: Least length by which a feature is divided.

    Shapes: student, teacher (N, C, H, W) or (N, C), or lists of such, which are summed. target is not used. Returns a
    scalar.

    Raises:
        UserError: Both weights are 0.
    """

    needs_target = False

    def __init__(self, alpha: float = 0.9, beta: float = 0.1, eps: float = 1e-8) -> None:
        super().__init__()
        check_arguments(self, alpha=(alpha, NON_NEGATIVE), beta=(beta, NON_NEGATIVE), eps=(eps, POSITIVE))
        if alpha == beta == 0:
            raise UserError('CosineSmoothL1Loss expects alpha or beta above 0, got 0 for both. Set one of them.')
        self.alpha = alpha
        self.beta = beta
        self.eps = eps

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The numbers of tensors, the batch sizes, the channels or the forms differ.
        """
        return sum(self._one(s, t) for s, t in pair_positions(self, student, teacher))

    def _one(self, student: Tensor, teacher: Tensor) -> Tensor:
        loss = student.new_zeros(())
        if self.alpha:
            loss = loss + self.alpha * (1 - F.cosine_similarity(student, teacher, dim=1, eps=self.eps)).mean()
        if self.beta:
            loss = loss + self.beta * F.smooth_l1_loss(student, teacher)
        return loss
