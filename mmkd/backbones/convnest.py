"""ConvNeSt: 7×7 depthwise convolution nested between the two linear layers of the block."""
from collections.abc import Mapping
from typing import Any

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from mmkd.layers import ConvNetBlock, HierarchicalConvNet, LargeKernelConv2d, resolve_arch
from mmkd.layers.tiles import runs_in_tiles
from mmkd.ops.nested import Options, Weights, nested_convolution
from mmkd.registry import MODELS
from mmkd.utils import UserError, nearest

CHOICES = dict(
    structure=('hierarchical', 'isotropic'),
    micro_design=('post_norm', 'pre_activation', 'vanilla'),
    high_norm=('LN', 'BN'),
    low_norm=('LN', 'BN'),
    scale=('res_scale', 'layer_scale', 'none'),
    shortcut=('dual', 'single'))


def check_choice(name: str, value: str) -> None:
    """Raises a UserError if an argument has none of its values."""
    if value not in CHOICES[name]:
        raise UserError(f'ConvNeSt expects {name} to be one of {", ".join(CHOICES[name])}, got {value!r}. '
                        f'{nearest(value, CHOICES[name])}')


def build_norm(kind: str, channels: int) -> nn.Module:
    """Builds a layer or batch normalisation."""
    return nn.LayerNorm(channels, eps=1e-6) if kind == 'LN' else nn.BatchNorm2d(channels)


def normalise(norm: nn.Module, x: Tensor) -> Tensor:
    """Applies a norm to (N, H, W, C). No copy: the batch norm sees a ``channels_last`` (N, C, H, W)."""
    if isinstance(norm, nn.LayerNorm):
        return norm(x)
    return norm(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class ConvNeStBlock(ConvNetBlock):
    r"""Depthwise convolution on a 12 times wider feature, with an inner and an outer shortcut.

    .. math::
        h &= \mathrm{GELU}(W_1 x) \\
        h &\leftarrow h + \mathrm{DWConv}(\mathrm{LN}(h)) \\
        y &= s \cdot x + \mathrm{DropPath}(\mathrm{LN}(W_2\,\mathrm{GELU}(h)))

    where s is a learnable number a channel (ResScale), 1 at first. All convolutions and linear layers have biases.
    The other arguments give the steps of the paper's roadmap on the way to this block.

    Source: Convolution on Your 12× Wide Feature: A ConvNet with Nested Design, Fig. 2 and Sec. 2.
    Differs from the authors' code: not known, none was at hand.

    Args:
        channels: Channels of the map.
        expansion_ratio: Width of the hidden feature over ``channels``. 4 to 16 in Table 2.
        kernel_size: Size of the depthwise convolution, odd.
        drop_path_rate: Probability to skip the block's branch for a sample while training.
        micro_design: ``vanilla`` (Fig. 2 (a): norm, then activation, before each of the last two layers),
            ``pre_activation`` ((b): activation, then norm) or ``post_norm`` ((c): the second norm comes last, on the
            low-dimensional feature).
        high_norm: ``LN`` or ``BN``: the norms of hidden features (Table 3).
        low_norm: ``LN`` or ``BN``: the norm of ``post_norm`` on the low-dimensional feature (Table 3).
        scale: ``res_scale`` (on the shortcut), ``layer_scale`` (on the branch) or ``none`` (Sec. 2.5).
        layer_scale_init_value: First value of the layer scale. ConvNeXt's 1e-6; the paper gives none.
        shortcut: ``dual`` or ``single``: with or without the inner one (Sec. 2.5).
        with_cp: See :class:`mmkd.layers.ConvNetBlock`.

    Shapes: (N, C, H, W). Returns (N, C, H, W), ``channels_last`` in memory.
    """

    def __init__(
        self,
        channels: int,
        expansion_ratio: float = 12,
        kernel_size: int = 7,
        drop_path_rate: float = 0.,
        micro_design: str = 'post_norm',
        high_norm: str = 'LN',
        low_norm: str = 'LN',
        scale: str = 'res_scale',
        layer_scale_init_value: float = 1e-6,
        shortcut: str = 'dual',
        with_cp: bool = False,
    ) -> None:
        super().__init__(with_cp)
        hidden = int(expansion_ratio * channels)
        self.micro_design, self.dual = micro_design, shortcut == 'dual'
        self.pointwise_conv1 = nn.Linear(channels, hidden)
        self.norm1 = build_norm(high_norm, hidden)
        self.depthwise_conv = LargeKernelConv2d(hidden, (kernel_size, kernel_size))
        self.pointwise_conv2 = nn.Linear(hidden, channels)
        post = micro_design == 'post_norm'
        self.norm2 = build_norm(low_norm, channels) if post else build_norm(high_norm, hidden)
        self.act = nn.GELU()
        self.res_scale = nn.Parameter(torch.ones(channels)) if scale == 'res_scale' else None
        first = torch.full((channels,), layer_scale_init_value)
        self.layer_scale = nn.Parameter(first) if scale == 'layer_scale' else None
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate > 0 else nn.Identity()

    def _forward(self, x: Tensor) -> Tensor:
        # A contiguous (N, H, W, C) tensor seen as (N, C, H, W) is channels_last: no permute below copies.
        x = x.permute(0, 2, 3, 1)  # (N, H, W, C)
        out = self._in_tiles(x) if self._fits_tiles(x) else self._project(self._mix(self.pointwise_conv1(x)))
        if self.layer_scale is not None:
            out = self.layer_scale * out
        kept = x if self.res_scale is None else self.res_scale * x
        return (kept + self.drop_path(out)).permute(0, 3, 1, 2)

    def _fits_tiles(self, x: Tensor) -> bool:
        inner = (self.pointwise_conv1, self.norm1, self.depthwise_conv, self.pointwise_conv2, self.act)
        return self.micro_design == 'post_norm' and runs_in_tiles(x, inner)

    def _in_tiles(self, x: Tensor) -> Tensor:
        weights = [param for module in (self.pointwise_conv1, self.norm1, self.depthwise_conv, self.pointwise_conv2)
                   for param in (module.weight, module.bias)]
        options = Options(self.norm1.eps, self.dual)
        return normalise(self.norm2, nested_convolution(x, Weights(*weights), options))

    def _mix(self, hidden: Tensor) -> Tensor:
        """Norm, activation and depthwise convolution, (N, H, W, 12C) to the same."""
        if self.micro_design == 'vanilla':
            ready = self.act(normalise(self.norm1, hidden))
        else:
            hidden = self.act(hidden)
            ready = normalise(self.norm1, hidden)
        mixed = self.depthwise_conv(ready.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return hidden + mixed if self.dual else mixed

    def _project(self, hidden: Tensor) -> Tensor:
        """Activation, norm and the second linear layer, (N, H, W, 12C) to (N, H, W, C)."""
        if self.micro_design == 'post_norm':
            return normalise(self.norm2, self.pointwise_conv2(self.act(hidden)))
        if self.micro_design == 'pre_activation':
            return self.pointwise_conv2(normalise(self.norm2, self.act(hidden)))
        return self.pointwise_conv2(self.act(normalise(self.norm2, hidden)))


@MODELS.register_module()
class ConvNeSt(HierarchicalConvNet):
    """A small ConvNet that spends its computation on convolution; hierarchical, or isotropic as a ViT.

    Source: Convolution on Your 12× Wide Feature: A ConvNet with Nested Design, Sec. 4 and Table 4. Parameters and
    FLOPs (multiply-adds of convolutions and linear layers) at 224×224 with a head of 1000 classes:

    ============ ===== =================== ============ ============== ================
    structure    arch  channels            blocks       Table 4        here
    ============ ===== =================== ============ ============== ================
    hierarchical atto  20, 40, 80, 160     2, 2, 9, 2   3.6 M, 0.67 G  3.68 M, 0.67 G
    hierarchical femto 24, 48, 96, 192     2, 2, 9, 2   5.0 M, 0.90 G  5.08 M, 0.91 G
    hierarchical pico  32, 64, 128, 256    2, 2, 9, 2   9 M, 1.5 G     8.55 M, 1.50 G
    hierarchical nano  40, 80, 160, 320    2, 2, 12, 2  15 M, 2.7 G    15.06 M, 2.67 G
    hierarchical tiny  48, 96, 192, 384    3, 3, 14, 3  27 M, 4.8 G    27.34 M, 4.78 G
    hierarchical small 56, 112, 224, 448   3, 3, 24, 3  50 M, 9.0 G    50.09 M, 8.98 G
    hierarchical base  72, 144, 288, 576   3, 3, 28, 3  90 M, 16.1 G   89.63 M, 16.12 G
    isotropic    atto  88                  13           3.3 M, 0.62 G  3.31 M, 0.62 G
    isotropic    femto 92                  15           4.1 M, 0.77 G  4.09 M, 0.77 G
    isotropic    pico  120                 15           7 M, 1.2 G     6.55 M, 1.24 G
    isotropic    nano  156                 15           11 M, 2.0 G    10.54 M, 2.01 G
    isotropic    tiny  192                 15           15 M, 3.0 G    15.46 M, 2.96 G
    isotropic    small 192                 22           23 M, 4.3 G    22.51 M, 4.33 G
    isotropic    base  384                 22           84 M, 16.3 G   83.95 M, 16.29 G
    ============ ===== =================== ============ ============== ================

    The paper does not say where the block has biases. Biases everywhere give every row of Table 4 but two:
    hierarchical femto, which is 0.08 M and 0.01 G above it, and hierarchical atto, for which the table says 3.6 M
    but Sec. 5.2 says 3.7 M. The paper calls both stems ConvNeXt's; here the isotropic one, too, has a norm.

    Args:
        arch: A name of the table, or a dict with ``depths`` and ``channels``, for any number of stages.
        structure: ``hierarchical``: a 4×4 stem, and the map halves from stage to stage. ``isotropic``: a 16×16
            stem, and all blocks have one width; the last stage, ``out_indices`` 0, is the only one.
        kernel_size: Size of the depthwise convolutions, odd.
        with_cp: Whether to compute the blocks' activations again in the backward pass, to save memory.
        expansion_ratio, micro_design, high_norm, low_norm, scale, layer_scale_init_value, shortcut: The roadmap of
            Sec. 2; see :class:`ConvNeStBlock`.
        **kwargs: ``in_channels``, ``stem_patch_size``, ``out_indices``, ``drop_path_rate``, ``frozen_stages``,
            ``norm_eval``, ``gap_before_final_norm`` and ``init_cfg``: see
            :class:`mmkd.layers.HierarchicalConvNet`, also for the shapes.

    Raises:
        UserError: The arch, a stage index or a choice is unknown, or the kernel size is even.
    """

    arch_settings: dict[str, dict[str, Mapping]] = dict(
        hierarchical={
            'atto': dict(depths=(2, 2, 9, 2), channels=(20, 40, 80, 160)),
            'femto': dict(depths=(2, 2, 9, 2), channels=(24, 48, 96, 192)),
            'pico': dict(depths=(2, 2, 9, 2), channels=(32, 64, 128, 256)),
            'nano': dict(depths=(2, 2, 12, 2), channels=(40, 80, 160, 320)),
            'tiny': dict(depths=(3, 3, 14, 3), channels=(48, 96, 192, 384)),
            'small': dict(depths=(3, 3, 24, 3), channels=(56, 112, 224, 448)),
            'base': dict(depths=(3, 3, 28, 3), channels=(72, 144, 288, 576)),
        },
        isotropic={
            'atto': dict(depths=(13,), channels=(88,)),
            'femto': dict(depths=(15,), channels=(92,)),
            'pico': dict(depths=(15,), channels=(120,)),
            'nano': dict(depths=(15,), channels=(156,)),
            'tiny': dict(depths=(15,), channels=(192,)),
            'small': dict(depths=(22,), channels=(192,)),
            'base': dict(depths=(22,), channels=(384,)),
        })

    def __init__(
        self,
        arch: str | Mapping = 'tiny',
        structure: str = 'hierarchical',
        expansion_ratio: float = 12,
        kernel_size: int = 7,
        micro_design: str = 'post_norm',
        high_norm: str = 'LN',
        low_norm: str = 'LN',
        scale: str = 'res_scale',
        layer_scale_init_value: float = 1e-6,
        shortcut: str = 'dual',
        with_cp: bool = False,
        **kwargs: Any,
    ) -> None:
        choices = dict(micro_design=micro_design, high_norm=high_norm, low_norm=low_norm, scale=scale,
                       shortcut=shortcut)
        for name, value in dict(structure=structure, **choices).items():
            check_choice(name, value)
        arch = resolve_arch(arch, self.arch_settings[structure], f'{structure} ConvNeSt')
        if structure == 'isotropic':
            if len(arch['depths']) != 1:
                raise UserError(f'isotropic ConvNeSt expects one stage, got depths {tuple(arch["depths"])}. '
                                'Give one depth and one width.')
            kwargs.setdefault('stem_patch_size', 16)
        if kernel_size % 2 == 0:
            raise UserError(f'ConvNeSt expects an odd kernel_size, got {kernel_size}. Give 7, as the paper does.')

        def make_block(stage: int, channels: int, rate: float) -> ConvNeStBlock:
            return ConvNeStBlock(channels, expansion_ratio, kernel_size, rate, **choices,
                                 layer_scale_init_value=layer_scale_init_value, with_cp=with_cp)

        super().__init__(arch['depths'], arch['channels'], make_block, **kwargs)
