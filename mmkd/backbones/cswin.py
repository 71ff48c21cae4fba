"""CSWin Transformer: attention in horizontal and vertical stripes, side by side."""
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn
from torch.nn import functional as F

from mmkd.layers import ConvNetBlock, HierarchicalConvNet, LayerNorm2d, resolve_arch
from mmkd.registry import MODELS
from mmkd.utils import UserError

_EPS = 1e-5  # of every layer norm, as in the authors' code


def _split(maps: Tensor, height: int, width: int) -> Tensor:
    """Cuts maps into windows: (..., H, W, C) with H and W in whole windows to (..., H/h, W/w, h, w, C)."""
    return maps.unflatten(-2, (-1, width)).unflatten(-4, (-1, height)).transpose(-4, -3)


def _join(windows: Tensor) -> Tensor:
    """Puts windows together again: (N, rows, columns, h, w, C) to (N, rows·h, columns·w, C)."""
    return windows.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class CrossShapedAttention(nn.Module):
    """Self-attention of half of the heads in vertical stripes, and of the other half in horizontal ones.

    A stripe is as long as the map, so a position sees a cross. To what its heads gather, the layer adds a 3×3
    depthwise convolution of the values in the stripe (locally-enhanced positional encoding). A map that is not made of
    whole stripes gets zeros for the queries, keys and values around it; they take part in the attention, as in the
    authors' code for segmentation.

    Source: Dong et al., CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows, CVPR 2022,
    arXiv 2107.00652, Sec. 3.2.
    Differs from the paper: as in the authors' code, the first half of the heads has the vertical stripes.

    Args:
        channels: Channels of the map.
        heads: Number of heads, even if there are stripes.
        stripe_width: Width of the stripes; None for one window over the whole map.

    Shapes: (N, H, W, C). Returns (N, H, W, C).
    """

    def __init__(self, channels: int, heads: int, stripe_width: int | None = None) -> None:
        super().__init__()
        self.head_channels = channels // heads
        self.stripe_width = stripe_width
        directions = 1 if stripe_width is None else 2
        width = channels // directions
        self.qkv = nn.Linear(channels, 3 * channels)
        self.position_convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, groups=width) for _ in range(directions))
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Mixes positions."""
        height, width = x.shape[1:3]
        if self.stripe_width is None:
            windows = [(height, width)]
        else:
            windows = [(height, self.stripe_width), (self.stripe_width, width)]
        qkv = self.qkv(x).unflatten(-1, (3, -1)).permute(3, 0, 1, 2, 4)  # (3, N, H, W, C)
        parts = qkv.chunk(len(windows), -1)
        outs = [self._attend(*args) for args in zip(parts, windows, self.position_convs)]
        return self.proj(torch.cat(outs, -1))

    def _attend(self, qkv: Tensor, window: tuple[int, int], position_conv: nn.Module) -> Tensor:
        """Attends within windows: (3, N, H, W, c) to (N, H, W, c)."""
        height, width = qkv.shape[2:4]
        more_rows, more_columns = -height % window[0], -width % window[1]
        top, left = more_rows // 2, more_columns // 2
        qkv = F.pad(qkv, (0, 0, left, more_columns - left, top, more_rows - top))
        qkv = _split(qkv, *window)  # (3, N, rows, columns, h, w, c)
        values = qkv[2].flatten(0, 2)  # (N·rows·columns, h, w, c)
        tokens = qkv.flatten(1, 3).flatten(2, 3).unflatten(-1, (-1, self.head_channels)).transpose(2, 3)
        out = F.scaled_dot_product_attention(*tokens.unbind())  # (N·rows·columns, heads, h·w, c/heads)
        out = out.transpose(1, 2).reshape(-1, *values.shape[1:])  # -1: a traced number of windows would stay as it was
        # A contiguous (N, h, w, c) tensor seen as (N, c, h, w) is channels_last.
        out = out + position_conv(values.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return _join(out.reshape(-1, *qkv.shape[2:]))[:, top:top + height, left:left + width]


class CSWinBlock(ConvNetBlock):
    """A Transformer's block with cross-shaped attention.

    Source: Dong et al., CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows, CVPR 2022,
    arXiv 2107.00652, Eq. 6.

    Args:
        channels: Channels of the map.
        heads: Number of heads.
        stripe_width: Width of the stripes; None for attention over the whole map.
        expansion_ratio: Width of the hidden feature over ``channels``.
        drop_path_rate: Probability to skip each of the two branches for a sample while training.
        with_cp: See :class:`mmkd.layers.ConvNetBlock`.

    Shapes: (N, C, H, W). Returns (N, C, H, W), ``channels_last`` in memory.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        stripe_width: int | None = None,
        expansion_ratio: float = 4,
        drop_path_rate: float = 0.,
        with_cp: bool = False,
    ) -> None:
        super().__init__(with_cp)
        hidden = int(expansion_ratio * channels)
        self.norm1 = nn.LayerNorm(channels, eps=_EPS)
        self.attention = CrossShapedAttention(channels, heads, stripe_width)
        self.norm2 = nn.LayerNorm(channels, eps=_EPS)
        self.fc1 = nn.Linear(channels, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate > 0 else nn.Identity()

    def _forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # (N, H, W, C)
        x = x + self.drop_path(self.attention(self.norm1(x)))
        x = x + self.drop_path(self.fc2(self.act(self.fc1(self.norm2(x)))))
        return x.permute(0, 3, 1, 2)


@MODELS.register_module()
class CSWinTransformer(HierarchicalConvNet):
    """A hierarchical Transformer with convolutions between its stages, as a teacher of ConvNets.

    Source: Dong et al., CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows, CVPR 2022,
    arXiv 2107.00652, Table 1. Parameters and FLOPs (multiply-adds) at 224×224 with a head of 1000 classes; the first
    FLOPs are those of convolutions and linear layers, the second are with the two products of each attention, too:

    ===== =================== =========== ============= ============== ==========================
    arch  channels            depths      heads         Table 1        here
    ===== =================== =========== ============= ============== ==========================
    tiny  64, 128, 256, 512   1, 2, 21, 1 2, 4, 8, 16   23 M, 4.3 G    22.32 M, 4.07 G, 4.32 G
    small 64, 128, 256, 512   2, 4, 32, 2 2, 4, 8, 16   35 M, 6.9 G    34.64 M, 6.39 G, 6.80 G
    base  96, 192, 384, 768   2, 4, 32, 2 4, 8, 16, 32  78 M, 15.0 G   77.38 M, 14.34 G, 14.96 G
    large 144, 288, 576, 1152 2, 4, 32, 2 6, 12, 24, 24 173 M, 31.5 G  173.26 M, 32.21 G, 33.13 G
    ===== =================== =========== ============= ============== ==========================

    The authors' code has as many parameters as this module, to the last one; what Table 1 has more is not explained.
    The last stage attends over the whole map, as it does at 224×224 and in the authors' code at every size. Of the
    heads of ``large``, the paper gives 48 in the last stage, but the authors' code and weights have 24, as here.

    The paper's classifier pools after the norm: it is this module and the neck ``GlobalAveragePooling``.

    Args:
        arch: A name of the table, or a dict with ``depths``, ``channels``, ``heads`` and, if wanted,
            ``stripe_widths``, for any number of stages.
        stripe_widths: Width of the stripes of each stage but the last. (1, 2, 12) for 384×384 in the authors' code. An
            arch dict's own take precedence.
        expansion_ratio: Width of the blocks' hidden features over their channels.
        stem_patch_size: Stride p of the stem, a convolution of kernel size 2p - 1.
        gap_before_final_norm: Whether outputs are pooled to (N, C), then normalised, as in mmkd's ConvNets, but not
            in the paper. If False, they are normalised maps.
        with_cp: Whether to compute the blocks' activations again in the backward pass, to save memory.
        init_cfg: MMEngine's initialisation config. For linear layers truncated normal of std 0.02 and zero biases, and
            torch's own for convolutions, if None.
        **kwargs: ``in_channels``, ``out_indices``, ``drop_path_rate``, ``frozen_stages`` and ``norm_eval``: see
            :class:`mmkd.layers.HierarchicalConvNet`.

    Shapes: (N, in_channels, H, W), of any H and W from the last stage's stride on. Returns a tuple of (N, C_i, H/s,
    W/s), or of (N, C_i), with s = ``stem_patch_size``·2^i. Where s does not divide H or W, H/s or W/s is rounded as
    the strided convolutions round it.

    Raises:
        UserError: The arch or a stage index is unknown, channels are not divisible by heads, heads or stripe widths are
            not those of the stages, or an image is too small.
    """

    arch_settings: dict[str, Mapping] = {
        'tiny': dict(depths=(1, 2, 21, 1), channels=(64, 128, 256, 512), heads=(2, 4, 8, 16)),
        'small': dict(depths=(2, 4, 32, 2), channels=(64, 128, 256, 512), heads=(2, 4, 8, 16)),
        'base': dict(depths=(2, 4, 32, 2), channels=(96, 192, 384, 768), heads=(4, 8, 16, 32)),
        'large': dict(depths=(2, 4, 32, 2), channels=(144, 288, 576, 1152), heads=(6, 12, 24, 24)),
    }

    def __init__(
        self,
        arch: str | Mapping = 'tiny',
        stripe_widths: Sequence[int] = (1, 2, 7),
        expansion_ratio: float = 4,
        stem_patch_size: int = 4,
        gap_before_final_norm: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        arch = resolve_arch(arch, self.arch_settings, 'CSWinTransformer')
        heads = self._check_heads(arch)
        stripes = (*self._check_stripes(arch, stripe_widths), None)

        def make_block(stage: int, channels: int, rate: float) -> CSWinBlock:
            return CSWinBlock(channels, heads[stage], stripes[stage], expansion_ratio, rate, with_cp)

        super().__init__(
            arch['depths'], arch['channels'], make_block, stem_patch_size=stem_patch_size,
            gap_before_final_norm=gap_before_final_norm,
            init_cfg=init_cfg or dict(type='TruncNormal', layer='Linear', std=.02, bias=0.), **kwargs)
        self.stride = stem_patch_size * 2**(len(self.depths) - 1)
        for index in self.out_indices:
            getattr(self, f'norm{index}').eps = _EPS

    @staticmethod
    def _check_heads(arch: Mapping) -> tuple[int, ...]:
        channels, heads = tuple(arch['channels']), tuple(arch.get('heads', ()))
        if len(heads) != len(channels):
            raise UserError(f'CSWinTransformer expects an arch with one number of heads a stage, got heads {heads} for '
                            f'channels {channels}. Give {len(channels)} numbers.')
        for width, number in zip(channels, heads):
            if number < 1 or width % number:
                raise UserError(f'CSWinTransformer expects channels that the heads divide, got {width} channels for '
                                f'{number} heads. Change either in heads {heads} or channels {channels}.')
        if any(number % 2 for number in heads[:-1]):
            raise UserError('CSWinTransformer expects an even number of heads in each stage but the last, one half for '
                            f'each direction of the stripes, got heads {heads}. Change the odd ones.')
        return heads

    @staticmethod
    def _check_stripes(arch: Mapping, stripe_widths: Sequence[int]) -> tuple[int, ...]:
        widths, stages = tuple(arch.get('stripe_widths', stripe_widths)), len(arch['depths'])
        if len(widths) != stages - 1 or any(width < 1 for width in widths):
            raise UserError(f'CSWinTransformer expects one positive stripe width for each stage but the last, got '
                            f'stripe_widths {widths} for {stages} stages. Give {stages - 1} numbers.')
        return widths

    def _build_downsampling(self, in_channels: int, patch_size: int) -> None:
        widths = self.channels
        stem = nn.Conv2d(in_channels, widths[0], 2 * patch_size - 1, stride=patch_size, padding=patch_size // 2)
        between = [nn.Conv2d(narrow, wide, 3, stride=2, padding=1) for narrow, wide in zip(widths, widths[1:])]
        self.downsample_layers = nn.ModuleList(
            nn.Sequential(conv, LayerNorm2d(conv.out_channels, eps=_EPS)) for conv in (stem, *between))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Returns the outputs of the stages in ``out_indices``."""
        height, width = x.shape[2:]
        if height < self.stride or width < self.stride:
            raise UserError(f'CSWinTransformer expects images of at least {self.stride}×{self.stride}, the stride of '
                            f'its last stage, got {height}×{width}. Enlarge or pad them.')
        return super().forward(x)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Tells a parameter's layer for layer-wise learning-rate decay: each block is one, as in Swin Transformers.

        Args:
            param_name: The parameter's name.
            prefix: What stands before the backbone's own names.

        Returns:
            The parameter's layer and the number of layers. The stem is layer 0; a convolution between two stages
            belongs to the block before it; output norms and the head are the last layer.
        """
        layers = sum(self.depths) + 2
        kind, *indices = param_name.removeprefix(prefix).split('.')
        if not param_name.startswith(prefix) or kind not in ('downsample_layers', 'stages'):
            return layers - 1, layers
        before = sum(self.depths[:int(indices[0])])
        return (before if kind == 'downsample_layers' else before + int(indices[1]) + 1), layers
