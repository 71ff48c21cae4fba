"""Attention transfer."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import check_arguments, number, one_of

from ..checks import Tensors, pair_tensors

DISTANCES = ('mse', 'l2')


@MODELS.register_module()
class ATLoss(nn.Module):
    r"""Matches where student and teacher look: the normalised spatial attention of their maps.

    .. math:: \sum_l \operatorname{mean}\,\big(q(S^l) - q(T^l)\big)^2, \quad
        q(A) = \frac{Q(A)}{\|Q(A)\|_2}, \quad Q(A) = \frac{1}{C}\sum_c |A_c|^p

    Q is flattened and normalised for each sample; the mean is over samples and positions. Widths may
    differ, so that no connector is needed. Where sizes differ, the larger map is average-pooled first. A map
    of one position has the attention 1 whatever it holds, and trains nothing.

    Source: Zagoruyko and Komodakis, Paying More Attention to Attention: Improving the Performance of
    Convolutional Neural Networks via Attention Transfer, 2017, arXiv 1612.03928, Sec. 3.1.
    Differs from the authors' code: nothing by default. The paper prints the L2 norm of the difference
    (``distance='l2'``; its factor of one half is left to the weight of the term); the authors run the
    mean square, and usually weigh it with 1000. They have no pooling: their maps are equally large.

    Args:
        power: p. 2 in the paper's main experiments; from 1 to 4.
        distance: ``'mse'``, or ``'l2'``: the norm of each sample's difference, mean over samples.

    Shapes: student (N, C, H, W), teacher (N, C', H', W'), or lists of such for several stages, which are
    summed. target is not used. Returns a scalar.

    Raises:
        UserError: The power or the distance is none of these.
    """

    needs_target = False

    def __init__(self, power: float = 2.0, distance: str = 'mse') -> None:
        super().__init__()
        check_arguments(self, power=(power, number(1, 4)), distance=(distance, one_of(DISTANCES)))
        self.power = power
        self.distance = distance

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The numbers of maps or the batch sizes differ, or a tensor is no map.
        """
        return sum(self._one_stage(s, t) for s, t in pair_tensors(self, student, teacher))

    def _one_stage(self, student: Tensor, teacher: Tensor) -> Tensor:
        size = tuple(min(s, t) for s, t in zip(student.shape[2:], teacher.shape[2:]))
        difference = self._attention(student, size) - self._attention(teacher, size)
        if self.distance == 'l2':
            return torch.linalg.vector_norm(difference, dim=1).mean()
        return difference.square().mean()

    def _attention(self, features: Tensor, size: tuple[int, ...]) -> Tensor:
        """The normalised attention (N, H·W) of a map (N, C, H, W), at a smaller size."""
        if features.shape[2:] != size:
            features = F.adaptive_avg_pool2d(features, size)
        return F.normalize(features.abs().pow(self.power).mean(dim=1).flatten(1), dim=1)
