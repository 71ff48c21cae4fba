"""What the hierarchical ConvNets share: stem, downsampling, stages, outputs, freezing, layer depth."""
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mmkd.utils import UserError, nearest

from .norm import LayerNorm2d

BlockFactory = Callable[[int, int, float], nn.Module]


def resolve_arch(arch: str | Mapping, settings: Mapping[str, Mapping], what: str) -> Mapping:
    """Looks up an architecture by name, or checks a given one.

    Args:
        arch: A name, or a dict with ``depths`` (blocks a stage) and ``channels`` (a stage).
        settings: Name to such a dict.
        what: The backbone, for the error message.

    Returns:
        The dict.

    Raises:
        UserError: The name is unknown, a key is missing, or the lengths differ.
    """
    if isinstance(arch, str):
        if arch not in settings:
            raise UserError(f'{what} expects a known arch, got {arch!r}. {nearest(arch, settings)}')
        return settings[arch]
    if not isinstance(arch, Mapping):
        raise UserError(f'{what} expects arch to be a name or a dict, got {arch!r}. {nearest("", settings)}')
    missing = [key for key in ('depths', 'channels') if key not in arch]
    if missing:
        raise UserError(f'{what} expects an arch dict with depths and channels, got only {sorted(arch)}. '
                        f'Add {", ".join(missing)}.')
    if not arch['depths'] or len(arch['depths']) != len(arch['channels']):
        raise UserError(f'{what} expects one depth and one width a stage, got depths {tuple(arch["depths"])} '
                        f'and channels {tuple(arch["channels"])}. Make them equally long.')
    return arch


class StatisticsKept(AbstractContextManager):
    """Lets norms compute as before without counting the same batch into their statistics again.

    Of whatever kind they are: batch and instance norms, PyTorch's synchronised ones and mmcv's. All of them heed a
    momentum of 0, and may count batches in a copy; without their buffers they would save other tensors for the
    backward pass, or refuse. It can be entered again and again, as checkpointing does in each backward pass.

    Args:
        module: What holds the norms.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._kept: list[list[tuple[nn.Module, float | None, Tensor | None]]] = []

    def __enter__(self) -> None:
        self._kept.append([
            (norm, norm.momentum, norm.num_batches_tracked) for norm in self.module.modules()
            if getattr(norm, 'running_mean', None) is not None and hasattr(norm, 'momentum')
            and hasattr(norm, 'num_batches_tracked')])
        for norm, _, count in self._kept[-1]:
            norm.momentum, norm.num_batches_tracked = 0., None if count is None else count.clone()

    def __exit__(self, *error: object) -> None:
        for norm, momentum, count in self._kept.pop():
            norm.momentum, norm.num_batches_tracked = momentum, count


class ConvNetBlock(nn.Module):
    """A block that may drop its activations and compute them again in the backward pass.

    Subclasses write ``_forward``.

    Args:
        with_cp: Whether to trade time for memory so. The gradients and the batch norms' statistics are the same.
    """

    def __init__(self, with_cp: bool = False) -> None:
        super().__init__()
        self.with_cp = with_cp

    def _forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f'{type(self).__name__} expects a method _forward. Write one.')

    def forward(self, x: Tensor) -> Tensor:
        """Runs the block: (N, C, H, W) to (N, C, H, W)."""
        if not (self.with_cp and torch.is_grad_enabled()):
            return self._forward(x)
        return checkpoint(self._forward, x, use_reentrant=False,
                          context_fn=lambda: (nullcontext(), StatisticsKept(self)))


class HierarchicalConvNet(BaseModule):
    """Stem, then stages of blocks on maps that halve and widen from stage to stage, as in ConvNeXt.

    Source: Liu et al., A ConvNet for the 2020s, CVPR 2022, arXiv 2201.03545. The attributes are named as in
    ``mmpretrain.models.ConvNeXt``: ``downsample_layers`` (stem and 2×2 convolutions), ``stages``, ``norm{i}``.
    Every stage returns a (N, C, H, W) map that is ``channels_last`` in memory.

    Args:
        depths: Blocks of each stage; their number is free.
        channels: Channels of each stage.
        make_block: Builds a block from stage index, channels and drop-path rate.
        in_channels: Channels of the image.
        stem_patch_size: Kernel size and stride of the stem.
        out_indices: The stage or stages to return; negative ones count from the end.
        drop_path_rate: Rate of the last block; it grows linearly from 0 at the first.
        frozen_stages: How many stages, counted from the stem, are not trained.
        norm_eval: Whether batch norms stay in eval mode while training.
        gap_before_final_norm: True for classification: outputs are pooled to (N, C), then normalised. False for
            detection and segmentation: outputs are normalised maps.
        init_cfg: MMEngine's initialisation config. Truncated normal of std 0.02 and zero biases if None.

    Shapes: (N, in_channels, H, W). Returns a tuple of (N, C_i), or of (N, C_i, H/s, W/s) with s =
    ``stem_patch_size``·2^i.

    Raises:
        UserError: A stage of ``out_indices`` or ``frozen_stages`` does not exist; an image is smaller than the
            stride of the last stage.
    """

    def __init__(
        self,
        depths: Sequence[int],
        channels: Sequence[int],
        make_block: BlockFactory,
        in_channels: int = 3,
        stem_patch_size: int = 4,
        out_indices: int | Sequence[int] = -1,
        drop_path_rate: float = 0.,
        frozen_stages: int = 0,
        norm_eval: bool = False,
        gap_before_final_norm: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='TruncNormal', layer=['Conv2d', 'Linear'], std=.02, bias=0.))
        self.depths = tuple(depths)
        self.channels = tuple(channels)
        self.out_indices = self._resolve_indices(out_indices)
        if frozen_stages > len(self.depths):
            raise UserError(f'frozen_stages expects at most {len(self.depths)}, the number of stages, '
                            f'got {frozen_stages}. Lower it.')
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.gap_before_final_norm = gap_before_final_norm
        self._build_downsampling(in_channels, stem_patch_size)
        self._build_stages(make_block, drop_path_rate)
        for index in self.out_indices:
            self.add_module(f'norm{index}', LayerNorm2d(self.channels[index]))
        self._freeze_stages()

    def _resolve_indices(self, out_indices: int | Sequence[int]) -> tuple[int, ...]:
        given = (out_indices,) if isinstance(out_indices, int) else tuple(out_indices)
        stages = len(self.depths)
        wrong = [index for index in given if not -stages <= index < stages]
        if wrong or not given:
            raise UserError(f'out_indices expects stages from {-stages} to {stages - 1}, got {given}. '
                            f'The arch has {stages} stages.')
        return tuple(sorted({index % stages for index in given}))

    def _build_downsampling(self, in_channels: int, patch_size: int) -> None:
        widths = self.channels
        stem = nn.Sequential(nn.Conv2d(in_channels, widths[0], patch_size, stride=patch_size), LayerNorm2d(widths[0]))
        between = [nn.Sequential(LayerNorm2d(narrow), nn.Conv2d(narrow, wide, 2, stride=2))
                   for narrow, wide in zip(widths, widths[1:])]
        self.downsample_layers = nn.ModuleList([stem, *between])
        self.stride = patch_size * 2**len(between)

    def _build_stages(self, make_block: BlockFactory, drop_path_rate: float) -> None:
        last_block = max(sum(self.depths) - 1, 1)
        rates = (drop_path_rate * block / last_block for block in range(sum(self.depths)))
        self.stages = nn.ModuleList(
            nn.Sequential(*[make_block(index, width, next(rates)) for _ in range(depth)])
            for index, (depth, width) in enumerate(zip(self.depths, self.channels)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Returns the outputs of the stages in ``out_indices``."""
        if min(x.shape[2:]) < self.stride:
            raise UserError(f'{type(self).__name__} expects images of at least {self.stride}x{self.stride}, its '
                            f'stride, got {tuple(x.shape)}. Enlarge the images or give fewer stages.')
        outs = []
        for index, (downsample, stage) in enumerate(zip(self.downsample_layers, self.stages)):
            x = stage(downsample(x))
            if index in self.out_indices:
                norm = getattr(self, f'norm{index}')
                outs.append(norm(x.mean((2, 3), keepdim=True)).flatten(1) if self.gap_before_final_norm else norm(x))
        return tuple(outs)

    def _freeze_stages(self) -> None:
        for index in range(self.frozen_stages):
            for part in (self.downsample_layers[index], self.stages[index]):
                part.eval()
                part.requires_grad_(False)

    def train(self, mode: bool = True) -> 'HierarchicalConvNet':
        """Sets the mode; frozen stages, and with ``norm_eval`` all batch norms, stay in eval mode."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Tells a parameter's layer for layer-wise learning-rate decay.

        As ``mmpretrain.models.ConvNeXt`` does it, for any number of stages: the last stage but one is cut into
        groups of three blocks (nine groups if it has more than nine blocks, else three), each other stage is a
        single layer. With one stage (the isotropic form) each block is a layer, as in a ViT.

        Args:
            param_name: The parameter's name.
            prefix: What stands before the backbone's own names.

        Returns:
            The parameter's layer, counted from 0 at the stem, and the number of layers.
        """
        last = len(self.depths) - 1
        split = max(last - 1, 0)  # the stage that is cut into groups
        top = split + (9 if self.depths[split] > 9 else 3) + 1 if last else self.depths[0]
        kind, *indices = param_name.removeprefix(prefix).split('.')
        if not param_name.startswith(prefix) or kind not in ('downsample_layers', 'stages'):
            return top + 1, top + 2
        stage = int(indices[0])
        if kind == 'downsample_layers' and stage == 0:
            return 0, top + 2
        if last == 0:
            return int(indices[1]) + 1, top + 2
        if stage == last:
            return top, top + 2
        if kind == 'stages' and stage == split:
            return min(last + int(indices[1]) // 3, top), top + 2
        return stage + 1, top + 2
