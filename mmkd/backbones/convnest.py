"""ConvNeSt: 7×7 depthwise convolution nested between the two linear layers of the block."""
from collections.abc import Mapping
from typing import Any

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from mmkd.layers import ConvNetBlock, HierarchicalConvNet, LargeKernelConv2d, resolve_arch
from mmkd.registry import MODELS
from mmkd.utils import UserError


class ConvNeStBlock(ConvNetBlock):
    r"""Depthwise convolution on a 12 times wider feature, with an inner and an outer shortcut.

    .. math::
        h &= \mathrm{GELU}(W_1 x) \\
        h &\leftarrow h + \mathrm{DWConv}(\mathrm{LN}(h)) \\
        y &= s \cdot x + \mathrm{DropPath}(\mathrm{LN}(W_2\,\mathrm{GELU}(h)))

    where s is a learnable number a channel (ResScale), 1 at first. All convolutions and linear layers have biases.

    Source: Convolution on Your 12× Wide Feature: A ConvNet with Nested Design, Fig. 2 (d) and Sec. 2.5.
    Differs from the authors' code: not known, none was at hand.

    Args:
        channels: Channels of the map.
        expansion_ratio: Width of the hidden feature over ``channels``.
        kernel_size: Size of the depthwise convolution, odd.
        drop_path_rate: Probability to skip the block's branch for a sample while training.
        with_cp: See :class:`mmkd.layers.ConvNetBlock`.

    Shapes: (N, C, H, W). Returns (N, C, H, W), ``channels_last`` in memory.
    """

    def __init__(self, channels: int, expansion_ratio: float = 12, kernel_size: int = 7, drop_path_rate: float = 0.,
                 with_cp: bool = False) -> None:
        super().__init__(with_cp)
        hidden = int(expansion_ratio * channels)
        self.pointwise_conv1 = nn.Linear(channels, hidden)
        self.norm1 = nn.LayerNorm(hidden, eps=1e-6)
        self.depthwise_conv = LargeKernelConv2d(hidden, (kernel_size, kernel_size))
        self.pointwise_conv2 = nn.Linear(hidden, channels)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.act = nn.GELU()
        self.res_scale = nn.Parameter(torch.ones(channels))
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate > 0 else nn.Identity()

    def _forward(self, x: Tensor) -> Tensor:
        # A contiguous (N, H, W, C) tensor seen as (N, C, H, W) is channels_last: no permute below copies.
        x = x.permute(0, 2, 3, 1)  # (N, H, W, C)
        hidden = self.act(self.pointwise_conv1(x))
        mixed = self.depthwise_conv(self.norm1(hidden).permute(0, 3, 1, 2))  # (N, 12C, H, W)
        hidden = hidden + mixed.permute(0, 2, 3, 1)
        out = self.norm2(self.pointwise_conv2(self.act(hidden)))
        return (self.res_scale * x + self.drop_path(out)).permute(0, 3, 1, 2)


@MODELS.register_module()
class ConvNeSt(HierarchicalConvNet):
    """A small ConvNet that spends its computation on convolution, in the hierarchical form.

    Source: Convolution on Your 12× Wide Feature: A ConvNet with Nested Design, Sec. 4 and Table 4. Parameters and
    FLOPs (multiply-adds of convolutions and linear layers) at 224×224 with a head of 1000 classes:

    ===== ================== =========== ============== ================
    arch  channels           depths      Table 4        here
    ===== ================== =========== ============== ================
    atto  20, 40, 80, 160    2, 2, 9, 2  3.6 M, 0.67 G  3.68 M, 0.67 G
    femto 24, 48, 96, 192    2, 2, 9, 2  5.0 M, 0.90 G  5.08 M, 0.91 G
    pico  32, 64, 128, 256   2, 2, 9, 2  9 M, 1.5 G     8.55 M, 1.51 G
    nano  40, 80, 160, 320   2, 2, 12, 2 15 M, 2.7 G    15.06 M, 2.67 G
    tiny  48, 96, 192, 384   3, 3, 14, 3 27 M, 4.8 G    27.34 M, 4.78 G
    small 56, 112, 224, 448  3, 3, 24, 3 50 M, 9.0 G    50.09 M, 8.98 G
    base  72, 144, 288, 576  3, 3, 28, 3 90 M, 16.1 G   89.63 M, 16.12 G
    ===== ================== =========== ============== ================

    The paper does not say where the block has biases. Biases everywhere give every row of Table 4, hierarchical
    and isotropic, but two: femto, which is 0.08 M and 0.01 G above it, and atto, for which the table says 3.6 M
    but Sec. 5.2 says 3.7 M.

    Args:
        arch: A name of the table, or a dict with ``depths`` and ``channels``, for any number of stages.
        expansion_ratio: Width of the hidden features over ``channels``.
        kernel_size: Size of the depthwise convolutions, odd.
        with_cp: Whether to compute the blocks' activations again in the backward pass, to save memory.
        **kwargs: ``in_channels``, ``stem_patch_size``, ``out_indices``, ``drop_path_rate``, ``frozen_stages``,
            ``norm_eval``, ``gap_before_final_norm`` and ``init_cfg``: see
            :class:`mmkd.layers.HierarchicalConvNet`, also for the shapes.

    Raises:
        UserError: The arch or a stage index is unknown, or the kernel size is even.
    """

    arch_settings: dict[str, Mapping] = {
        'atto': dict(depths=(2, 2, 9, 2), channels=(20, 40, 80, 160)),
        'femto': dict(depths=(2, 2, 9, 2), channels=(24, 48, 96, 192)),
        'pico': dict(depths=(2, 2, 9, 2), channels=(32, 64, 128, 256)),
        'nano': dict(depths=(2, 2, 12, 2), channels=(40, 80, 160, 320)),
        'tiny': dict(depths=(3, 3, 14, 3), channels=(48, 96, 192, 384)),
        'small': dict(depths=(3, 3, 24, 3), channels=(56, 112, 224, 448)),
        'base': dict(depths=(3, 3, 28, 3), channels=(72, 144, 288, 576)),
    }

    def __init__(
        self,
        arch: str | Mapping = 'tiny',
        expansion_ratio: float = 12,
        kernel_size: int = 7,
        with_cp: bool = False,
        **kwargs: Any,
    ) -> None:
        arch = resolve_arch(arch, self.arch_settings, 'ConvNeSt')
        if kernel_size % 2 == 0:
            raise UserError(f'ConvNeSt expects an odd kernel_size, got {kernel_size}. Give 7, as the paper does.')

        def make_block(stage: int, channels: int, rate: float) -> ConvNeStBlock:
            return ConvNeStBlock(channels, expansion_ratio, kernel_size, rate, with_cp)

        super().__init__(arch['depths'], arch['channels'], make_block, **kwargs)
