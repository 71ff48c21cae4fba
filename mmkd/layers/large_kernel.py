"""Large kernels, decomposed into two stripes and a small square."""
from collections import OrderedDict

from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from mmkd.ops.large_kernel import large_kernel_depthwise_conv2d
from mmkd.utils import UserError


class LargeKernelConv2d(nn.Conv2d):
    """Depthwise ``nn.Conv2d`` that runs through :mod:`mmkd.ops`.

    Args:
        channels: Number of channels, in and out.
        kernel_size: Height and width, both odd.
        bias: Whether to add a learnable number a channel.

    Shapes: (N, C, H, W). Returns (N, C, H, W).
    """

    def __init__(self, channels: int, kernel_size: tuple[int, int], bias: bool = True) -> None:
        padding = (kernel_size[0] // 2, kernel_size[1] // 2)
        super().__init__(channels, channels, kernel_size, padding=padding, groups=channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolves."""
        return large_kernel_depthwise_conv2d(x, self.weight, self.bias)


class DecomposedLargeKernel(nn.Module):
    """K×s + s×K + s×s depthwise convolutions, each with its own batch norm, summed.

    Source: Liu et al., More ConvNets in the 2020s: Scaling up Kernels Beyond 51×51 using Sparsity, ICLR 2023,
    arXiv 2207.03620, Sec. 4.
    Differs from the authors' code in names only: there ``vertical`` is ``LoRA1`` or ``Decom1``,
    ``horizontal`` is ``LoRA2`` or ``Decom2``, and ``small`` is ``small_conv``.

    Args:
        channels: Number of channels, in and out.
        kernel_size: The long side K, odd.
        small_kernel: The short side s, odd and smaller than K.
        norm_cfg: Config of the branches' norm. ``dict(type='BN')`` if None; the authors train with SyncBN.

    Shapes: (N, C, H, W). Returns (N, C, H, W).

    Raises:
        UserError: A size is even, or the short side is not the smaller one.
    """

    def __init__(self, channels: int, kernel_size: int, small_kernel: int = 5, norm_cfg: dict | None = None) -> None:
        super().__init__()
        if kernel_size % 2 == 0 or small_kernel % 2 == 0 or small_kernel >= kernel_size:
            raise UserError('a decomposed large kernel expects odd sizes, the small one below the large one, got '
                            f'kernel_size={kernel_size} and small_kernel={small_kernel}. '
                            'Change kernel_sizes or small_kernel.')

        def branch(height: int, width: int) -> nn.Sequential:
            conv = LargeKernelConv2d(channels, (height, width), bias=False)
            return nn.Sequential(OrderedDict(conv=conv, bn=build_norm_layer(norm_cfg or dict(type='BN'), channels)[1]))

        self.vertical = branch(kernel_size, small_kernel)
        self.horizontal = branch(small_kernel, kernel_size)
        self.small = branch(small_kernel, small_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Sums the three branches."""
        return self.vertical(x) + self.horizontal(x) + self.small(x)
