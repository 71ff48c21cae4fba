"""Plain standardisation."""
from torch import Tensor

from mmkd.registry import MODELS

from .base import Standardisation


@MODELS.register_module()
class ChannelStandardisation(Standardisation):
    r"""Gives each channel of the teacher a mean of 0 and a variance of 1.

    .. math:: (x_c - \mu_c) / \sigma_c

    Channels that hardly vary (:math:`\sigma_c` below a thousandth of the mean one's) are divided by that thousandth, so
    that their noise does not become a target.

    Source: Shang et al., Theia: Distilling Diverse Vision Foundation Models for Robot Learning, 2024, arXiv 2407.20179;
    "standardization" in the comparison of PHI-S (2024, arXiv 2410.01680).

    Args:
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        steps: Training passes that the estimate takes.

    Shapes: (N, C), tokens (N, L, C) or maps (N, C, H, W) → the same.
    """

    def _estimate(self, mean: Tensor, products: Tensor) -> Tensor:
        deviation = (products - mean.square()).clamp_min(0).sqrt()
        return 1 / deviation.clamp_min(1e-3 * deviation.square().mean().sqrt())

    def _standardise(self, centred: Tensor) -> Tensor:
        return centred * self.map.to(centred.dtype)
