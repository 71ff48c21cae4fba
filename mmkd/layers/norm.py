"""Layer normalisation of maps over their channels."""
from torch import Tensor, nn


class LayerNorm2d(nn.LayerNorm):
    """Normalises each position of a map over its channels.

    The result is ``channels_last`` in memory. mmpretrain's ``LN2d`` computes the same, but copies its result
    to the contiguous layout, in which depthwise convolutions on the CPU are slow.

    Args:
        channels: Number of channels.
        eps: Added to the variance.

    Shapes: (N, C, H, W). Returns (N, C, H, W).
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalises."""
        x = super().forward(x.permute(0, 2, 3, 1))  # (N, H, W, C)
        return x.permute(0, 3, 1, 2)
