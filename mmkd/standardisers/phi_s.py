"""PHI-S: a rotation after which one scale standardises all channels."""
import torch
from torch import Tensor

from mmkd.registry import MODELS

from .base import Standardisation
from .hadamard import hadamard


@MODELS.register_module()
class PHIS(Standardisation):
    r"""Rotates the teacher's features so that all channels have one variance, and scales them by one number to 1.

    .. math::
        \hat x = \alpha\, H U^T (x - \mu), \qquad \Sigma = U \Lambda U^T, \qquad
        \alpha = \Big(\tfrac 1C \sum_i \lambda_i\Big)^{-1/2}

    U are the principal axes and H is a Hadamard matrix (:func:`~mmkd.standardisers.hadamard.hadamard`), which shares
    the variance along each axis out equally: the diagonal of :math:`H \Lambda H^T` is the mean of :math:`\lambda`.
    Distances keep their proportions, unlike after whitening or a scale a channel, and teachers whose features have
    different sizes count the same in a squared distance.

    Source: Ranzinger et al., PHI-S: Distribution Balancing for Label-Free Multi-Teacher Distillation, 2024,
    arXiv 2410.01680.
    Differs from the authors' code: the moments are sums in float64 over the first ``steps`` training passes and all
    processes; the sign of each axis is fixed (its largest entry is positive); a width without a Hadamard matrix is an
    error.

    Args:
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        steps: Training passes that the estimate takes. Together they should have many times more vectors than
            channels.

    Shapes: (N, C), tokens (N, L, C) or maps (N, C, H, W) → the same.

    Raises:
        UserError: There is no Hadamard matrix for this width.
    """

    second_moment_dims = 2

    def __init__(self, teacher_channels: int, steps: int = 100) -> None:
        super().__init__(teacher_channels, steps)
        hadamard(teacher_channels)  # raises now, and not after the first steps

    def _estimate(self, mean: Tensor, products: Tensor) -> Tensor:
        variances, axes = torch.linalg.eigh(products - mean.outer(mean))
        largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))  # (1, C)
        axes = axes * largest.sign()
        return hadamard(self.channels) @ axes.T / variances.clamp_min(0).mean().sqrt()

    def _standardise(self, centred: Tensor) -> Tensor:
        return centred @ self.map.T.to(centred.dtype)
