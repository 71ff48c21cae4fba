"""Lower learning rates for lower layers, for any backbone that can tell its layers."""
import re
from collections.abc import Callable
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mmkd.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmkd.utils import UserError, nearest

DECAY_TYPES = ('layer_wise', 'stage_wise')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Scales a parameter's learning rate with ``decay_rate`` to the power of the layers above it.

    In classifiers, detectors, segmentors and distillers alike: what is scaled is the backbone, which must have
    ``get_layer_depth``, as those of mmkd and mmpretrain's ConvNeXt, ViT, BEiT, Swin and ResNet have. All else learns
    at the full rate. Biases and other parameters of one dimension have no weight decay.

    Source: Bao et al., BEiT, ICLR 2022, arXiv 2106.08254 (layers); Liu et al., A ConvNet for the 2020s, CVPR 2022,
    arXiv 2201.03545, Appendix A (layers in groups of three blocks, and stages). Groups and scales are those of
    mmdet's and mmseg's ``LearningRateDecayOptimizerConstructor``, which know ConvNeXt only.

    Args:
        optim_wrapper_cfg: Config of the optimizer wrapper.
        paramwise_cfg: ``decay_rate``, in (0, 1]; ``decay_type``: ``layer_wise`` (the default), or ``stage_wise``: one
            rate a stage, for backbones whose parameters are named ``stages.<i>.…``.

    Raises:
        UserError: A value is out of range, or the model has no backbone that can tell its layers.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        given = paramwise_cfg or {}
        rate, kind = given.get('decay_rate'), given.get('decay_type', 'layer_wise')
        unknown = sorted(given.keys() - {'decay_rate', 'decay_type'})
        if unknown or not isinstance(rate, int | float) or not 0 < rate <= 1:
            raise UserError('LayerDecayOptimWrapperConstructor expects paramwise_cfg to have a decay_rate in (0, 1] '
                            f'and perhaps a decay_type, got {given}. Write paramwise_cfg=dict(decay_rate=0.9).')
        if kind not in DECAY_TYPES:
            raise UserError(f'decay_type expects {" or ".join(DECAY_TYPES)}, got {kind!r}. '
                            f'{nearest(kind, DECAY_TYPES)}')
        super().__init__(optim_wrapper_cfg, dict(given))

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs: Any) -> None:
        """Makes a group of each layer's parameters with, and one of those without weight decay.

        Args:
            params: Gets the groups.
            module: The model.
            prefix: Not used: names are taken from the model.
            **kwargs: What MMEngine passes on besides.
        """
        layer_of = self._layers(module)
        rate, groups = self.paramwise_cfg['decay_rate'], {}
        for name, param in module.named_parameters():
            if not param.requires_grad:
                continue
            flat = param.ndim == 1 or name.endswith(('.bias', 'pos_embed', 'cls_token'))
            layer, total = layer_of(name)
            scale = rate**(total - 1 - layer)
            group = groups.setdefault((layer, flat), dict(
                params=[], lr=scale * self.base_lr, weight_decay=0. if flat else self.base_wd))
            group['params'].append(param)
        params.extend(groups.values())

    def _layers(self, model: nn.Module) -> Callable[[str], tuple[int, int]]:
        """Maps a parameter's name to its layer and the number of layers."""
        prefix, backbone = self._find_backbone(model)
        total = self._depth(backbone, next(name for name, _ in backbone.named_parameters()))[1]
        stage_wise = self.paramwise_cfg.get('decay_type') == 'stage_wise'
        if stage_wise and not hasattr(backbone, 'stages'):
            raise UserError(f'stage_wise decay expects a backbone with stages, got a {type(backbone).__name__}. '
                            "Choose decay_type='layer_wise'.")

        def layer_of(name: str) -> tuple[int, int]:
            own = name.removeprefix(prefix)
            if not name.startswith(prefix):
                return total - 1, total
            if not stage_wise:
                return self._depth(backbone, own)
            stage = re.match(r'stages\.(\d+)\.', own)
            if stage:
                return int(stage[1]) + 1, total
            return (0 if own.startswith(('downsample_layers.', 'patch_embed.')) else total - 1), total

        return layer_of

    @staticmethod
    def _depth(backbone: nn.Module, name: str) -> tuple[int, int]:
        return backbone.get_layer_depth(f'backbone.{name}', 'backbone.')

    @staticmethod
    def _find_backbone(model: nn.Module) -> tuple[str, nn.Module]:
        named = {name: module for name, module in model.named_modules() if name.split('.')[-1] == 'backbone'}
        able = {name: module for name, module in named.items() if hasattr(module, 'get_layer_depth')}
        if len(able) > 1:  # the running average of the student has one, too, which is not trained
            able = {name: module for name, module in able.items() if any(p.requires_grad for p in module.parameters())}
        if len(able) != 1:
            found = ', '.join(f'{name} ({type(module).__name__})' for name, module in (able or named).items())
            raise UserError('layer decay expects one backbone with get_layer_depth, got '
                            f'{found or f"a {type(model).__name__} without a backbone"}. Use a ConvNeSt, a SLaK or one '
                            "of mmpretrain's that has it, or another constructor.")
        name, = able
        return f'{name}.', able[name]
