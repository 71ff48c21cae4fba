"""Layer normalisation of maps over their channels, and a batch norm for single values."""
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.utils.building.arguments import check_arguments, one_of


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


class SingleValueBatchNorm2d(nn.BatchNorm2d):
    """A batch norm that takes a single value a channel, of which PyTorch's finds no variance and stops.

    That is a map of one position in a batch of one, as the last of an epoch may be. The running statistics are left
    alone by it.

    Args:
        channels: Number of channels.
        statistics: What stands in for the batch's statistics then: ``'own'`` takes the value for its own mean, so that
            the result is the bias, and ``'running'`` takes the running ones.

    Shapes: (N, C, H, W). Returns (N, C, H, W).

    Raises:
        UserError: The statistics are none of these.
    """

    def __init__(self, channels: int, statistics: str) -> None:
        super().__init__(channels)
        check_arguments(self, statistics=(statistics, one_of(('own', 'running'))))
        self.statistics = statistics

    def forward(self, x: Tensor) -> Tensor:
        """Normalises."""
        if not self.training or x.numel() != x.shape[1]:
            return super().forward(x)
        if self.statistics == 'own':
            return (x - x) * self.weight[:, None, None] + self.bias[:, None, None]
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
