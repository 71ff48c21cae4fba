"""SLaK: ConvNeXt with kernels of up to 51×51, decomposed and sparse."""
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from mmkd.layers import ConvNetBlock, HierarchicalConvNet, LargeKernel, resolve_arch
from mmkd.layers.kernel_branches import BATCH_NORM
from mmkd.registry import MODELS
from mmkd.utils import UserError


class SLaKBlock(ConvNetBlock):
    """ConvNeXt's block with a decomposed large kernel in place of the 7×7 convolution.

    Source: Liu et al., More ConvNets in the 2020s: Scaling up Kernels Beyond 51×51 using Sparsity, ICLR 2023,
    arXiv 2207.03620. Module names are those of the authors' code, but for the branches of ``large_kernel``.

    Args:
        channels: Channels of the map.
        kernel_size: Long side of the large kernel.
        drop_path_rate: Probability to skip the block's branch for a sample while training.
        layer_scale_init_value: First value of the layer scale; none if 0.
        with_cp: See :class:`mmkd.layers.ConvNetBlock`.
        **kwargs: The large kernel's shape and norms: see :class:`mmkd.layers.LargeKernel`.

    Shapes: (N, C, H, W). Returns (N, C, H, W), ``channels_last`` in memory.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        drop_path_rate: float = 0.,
        layer_scale_init_value: float = 1e-6,
        with_cp: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(with_cp)
        self.large_kernel = LargeKernel(channels, kernel_size, **kwargs)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(4 * channels, channels)
        scale = torch.full((channels,), layer_scale_init_value)
        self.gamma = nn.Parameter(scale) if layer_scale_init_value > 0 else None
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate > 0 else nn.Identity()

    def _forward(self, x: Tensor) -> Tensor:
        out = self.large_kernel(x).permute(0, 2, 3, 1)  # (N, H, W, C)
        out = self.pwconv2(self.act(self.pwconv1(self.norm(out))))
        if self.gamma is not None:
            out = self.gamma * out
        return x + self.drop_path(out).permute(0, 3, 1, 2)


@MODELS.register_module()
class SLaK(HierarchicalConvNet):
    """A ConvNet with large kernels, to teach small ones; wider than ConvNeXt, to be trained sparse.

    Source: Liu et al., More ConvNets in the 2020s: Scaling up Kernels Beyond 51×51 using Sparsity, ICLR 2023,
    arXiv 2207.03620. Parameters and FLOPs (multiply-adds of convolutions and linear layers) at 224×224 with a head
    of 1000 classes. The paper counts the non-zero part at 40 % sparsity; how FLOPs fall depends on which layers
    are pruned, so two initialisations are given (:mod:`mmkd.sparsity`):

    ===== ==================== =========== ============== ================= ================= ====================
    arch  channels (× 1.3)     depths      paper, 40 %    here, dense       40 %, uniform     40 %, SNIP
    ===== ==================== =========== ============== ================= ================= ====================
    tiny  96, 192, 384, 768    3, 3, 9, 3  30 M, 5.0 G    50.70 M, 8.70 G   30.47 M, 5.22 G   30.47 M, 5.0–5.1 G
    small 96, 192, 384, 768    3, 3, 27, 3 55 M, 9.8 G    91.13 M, 16.60 G  54.78 M, 9.96 G   54.78 M, 9.6–9.7 G
    base  128, 256, 512, 1024  3, 3, 27, 3 95 M, 17.1 G   157.95 M, 28.51 G 94.91 M, 17.11 G  94.91 M, 16.5–17.2 G
    large 192, 384, 768, 1536  3, 3, 27, 3                346.62 M, 61.93 G
    ===== ==================== =========== ============== ================= ================= ====================

    This module is dense; sparse training masks its weights from outside
    (:class:`mmkd.engine.hooks.DynamicSparsityHook`). Other large-kernel networks are settings of it: kernels of 31 or
    61 with ``kernel_sizes``; whole K×K kernels (RepLKNet's) with ``decomposed=False``; the student of Huang et al.
    (arXiv 2305.19412), a ConvNeXt with a batch norm after its 7×7 convolution, with ``width_factor=1``,
    ``kernel_sizes=(7, 7, 7, 7)``, ``decomposed=False`` and ``small_kernel=None``.

    Args:
        arch: A name of the table, or a dict with ``depths`` and ``channels`` and, if wanted, ``kernel_sizes``, for
            any number of stages.
        width_factor: Multiplies all channels, those of an arch dict too; rounded down.
        kernel_sizes: Long side of the large kernels of each stage, odd. An arch dict's own take precedence.
        small_kernel: Short side of the large kernels, odd; None for none.
        decomposed: Whether stripes of ``kernel_size`` × ``small_kernel`` take the place of the whole kernels.
        small_branch: Whether there is a branch of ``small_kernel`` × ``small_kernel``, too.
        branch_norm_cfg: Config of the norm after each branch of the large kernels; None for no norm. The authors
            train with ``dict(type='SyncBN')``.
        deploy: Whether to start in the form that :meth:`switch_to_deploy` gives.
        layer_scale_init_value: First value of the blocks' layer scale; none if 0.
        with_cp: Whether to compute the blocks' activations again in the backward pass, to save memory.
        **kwargs: ``in_channels``, ``stem_patch_size``, ``out_indices``, ``drop_path_rate``, ``frozen_stages``,
            ``norm_eval``, ``gap_before_final_norm`` and ``init_cfg``: see
            :class:`mmkd.layers.HierarchicalConvNet`, also for the shapes.

    Raises:
        UserError: The arch or a stage index is unknown, or kernel sizes are even or not one a stage.
    """

    arch_settings: dict[str, Mapping] = {
        'tiny': dict(depths=(3, 3, 9, 3), channels=(96, 192, 384, 768)),
        'small': dict(depths=(3, 3, 27, 3), channels=(96, 192, 384, 768)),
        'base': dict(depths=(3, 3, 27, 3), channels=(128, 256, 512, 1024)),
        'large': dict(depths=(3, 3, 27, 3), channels=(192, 384, 768, 1536)),
    }

    def __init__(
        self,
        arch: str | Mapping = 'tiny',
        width_factor: float = 1.3,
        kernel_sizes: Sequence[int] = (51, 49, 47, 13),
        small_kernel: int | None = 5,
        decomposed: bool = True,
        small_branch: bool = True,
        branch_norm_cfg: dict | None = BATCH_NORM,
        deploy: bool = False,
        layer_scale_init_value: float = 1e-6,
        with_cp: bool = False,
        **kwargs: Any,
    ) -> None:
        arch = resolve_arch(arch, self.arch_settings, 'SLaK')
        kernels = tuple(arch.get('kernel_sizes', kernel_sizes))
        if len(kernels) != len(arch['depths']):
            raise UserError(f'SLaK expects one kernel size a stage, got kernel_sizes {kernels} for depths '
                            f'{tuple(arch["depths"])}. Give {len(arch["depths"])} sizes.')

        def make_block(stage: int, channels: int, rate: float) -> SLaKBlock:
            return SLaKBlock(channels, kernels[stage], rate, layer_scale_init_value, with_cp,
                             small_kernel=small_kernel, decomposed=decomposed, small_branch=small_branch,
                             norm_cfg=branch_norm_cfg, deploy=deploy)

        channels = [int(width_factor * width) for width in arch['channels']]
        super().__init__(arch['depths'], channels, make_block, **kwargs)

    def switch_to_deploy(self) -> None:
        """Folds the branches' norms and merges the small branches, in place, for inference and export.

        The outputs stay equal but for rounding; a build with ``deploy=True`` loads the folded weights.
        """
        for module in self.modules():
            if isinstance(module, LargeKernel):
                module.switch_to_deploy()
