"""Knowledge review: the hierarchical context loss."""
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import COUNT, check_arguments, each

from ..checks import MAPS_OR_VECTORS, Tensors, pair_tensors

ADVICE = "Add connector=dict(type='mmkd.AttentionFusionConnector') to the term, or mmkd.ResizeConnector."


@MODELS.register_module()
class ReviewKDLoss(nn.Module):
    r"""Matches maps at several scales: in full, and average-pooled to a pyramid of small sizes.

    .. math:: \sum_l \frac{\sum_k 2^{-k}\,\operatorname{MSE}\big(P_k(S^l), P_k(T^l)\big)}{\sum_k 2^{-k}}

    :math:`P_0` is the identity and :math:`P_1, P_2, \dots` pool to those sizes of the pyramid that are smaller than the
    map; the weights halve only for sizes that are used. The student's maps are the outputs of the term's
    connector, :class:`mmkd.connectors.AttentionFusionConnector`, in which shallow stages review deeper ones.

    Source: Chen et al., Distilling Knowledge via Knowledge Review, 2021, arXiv 2104.09044 (hierarchical
    context loss). The authors warm the weight up over epochs: ``weight=dict(value=…, warmup=…)`` of the term.
    Differs from the authors' code: nothing for square maps. They compare a pyramid size with the height
    alone; here a size has to be smaller than both sides. Their warm-up starts with a weight of zero.

    Args:
        pool_sizes: Sizes of the pyramid, in the order of their weights. 4, 2, 1 in the authors' code.

    Shapes: student, teacher (N, C, H, W), or a pooled feature (N, C), or lists of such for several stages,
    which are summed. target is not used. Returns a scalar.

    Raises:
        UserError: A pool size is not positive.
    """

    needs_target = False

    def __init__(self, pool_sizes: Sequence[int] = (4, 2, 1)) -> None:
        super().__init__()
        check_arguments(self, pool_sizes=(pool_sizes, each(COUNT, empty=True)))
        self.pool_sizes = tuple(pool_sizes)

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The numbers of maps or the shapes of a pair differ.
        """
        pairs = pair_tensors(self, student, teacher, MAPS_OR_VECTORS, equal='NCHW', advice=ADVICE)
        return sum(self._one_stage(s, t) for s, t in pairs)

    def _one_stage(self, student: Tensor, teacher: Tensor) -> Tensor:
        weight = 1.0
        weighted, weights = F.mse_loss(student, teacher), weight
        for size in self.pool_sizes:
            if size >= min(student.shape[2:]):
                continue
            weight /= 2
            weights += weight
            weighted = weighted + weight * F.mse_loss(
                F.adaptive_avg_pool2d(student, size), F.adaptive_avg_pool2d(teacher, size))
        return weighted / weights
