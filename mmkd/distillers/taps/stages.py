"""Which modules of a network end its stages, and which is its classifier."""
from dataclasses import replace
from typing import Any

from mmcv.cnn import ConvModule
from torch import nn

from .location import Location


def token_form(network: Any) -> Location:
    """How the stages of a network become maps: what it says of its tokens and of its layout."""
    return Location('', as_map=True, prefix_tokens=getattr(network, 'num_prefix_tokens',
                                                           getattr(network, 'num_extra_tokens', 0)),
                    channels_last=getattr(network, 'output_fmt', None) == 'NHWC')


def patches_of(network: Any, prefix: str = '') -> dict[str, Location]:
    """The tap ``patches``, if a network is a plain vision transformer with a norm after its last block.

    Args:
        network: timm's or mmpretrain's network.
        prefix: Its path in the model, with a dot at the end.
    """
    name = 'norm' if hasattr(network, 'num_prefix_tokens') else 'ln1'  # timm's and mmpretrain's
    known = hasattr(network, 'num_prefix_tokens') or hasattr(network, 'num_extra_tokens')
    if not known or not isinstance(getattr(network, name, None), nn.Module):
        return {}
    return {'patches': replace(token_form(network), module=f'{prefix}{name}')}


def last_linear(head: Any) -> str | None:
    """The path of the last linear layer."""
    return next((name for name, module in reversed(list(head.named_modules())) if isinstance(module, nn.Linear)), None)


def timm_classifier(model: Any) -> str | None:
    """Finds timm's classifier; of models with two (DeiT's distilled ones), the last linear layer."""
    classifier = model.get_classifier()
    name = next((name for name, module in model.named_modules() if module is classifier), None)
    return name or last_linear(model)


def timm_stages(model: Any) -> list[str]:
    """Finds the stages of timm's models by their feature info."""
    modules = dict(model.named_modules())
    info = [item for item in getattr(model, 'feature_info', []) if item['module'] in modules and item['reduction'] > 2]
    paths = [item['module'] for item in info]
    return _quarters(paths) if len({item['reduction'] for item in info}) == 1 else paths


def backbone_stages(backbone: Any) -> list[str]:
    """Finds the stages of an OpenMMLab backbone by the attributes that its families share."""
    stages, layers = getattr(backbone, 'stages', None), getattr(backbone, 'layers', None)
    if isinstance(stages, nn.ModuleList):
        if len(stages) == 1 and isinstance(stages[0], nn.Sequential):  # isotropic
            return _quarters([f'stages.0.{i}' for i in range(len(stages[0]))])
        return [f'stages.{i}' for i in range(len(stages))]
    if getattr(backbone, 'res_layers', None):  # ResNet and its relatives
        return list(backbone.res_layers)
    if isinstance(layers, nn.ModuleList):  # plain transformers, Mixers, EfficientNet
        return by_resolution({f'layers.{i}': layer for i, layer in enumerate(layers)})
    if isinstance(layers, list):  # MobileNets: names
        return by_resolution({name: getattr(backbone, name) for name in layers})
    return []


def by_resolution(layers: dict[str, nn.Module]) -> list[str]:
    """Takes the last layer at each of the four coarsest resolutions, or quarters if there is one only.

    A single convolution is none: neither the stem nor the one that widens the map before the classifier. Nor is a
    list, which has no output.
    """
    ends: list[list[str]] = [[]]
    for path, layer in layers.items():
        if isinstance(layer, ConvModule | nn.ModuleList):
            continue
        strides = (module.stride for module in layer.modules() if isinstance(module, nn.Conv2d))
        if ends[-1] and any(max(stride) > 1 for stride in strides):
            ends.append([])
        ends[-1].append(path)
    return _quarters(ends[0]) if len(ends) == 1 else [paths[-1] for paths in ends[-4:]]


def _quarters(paths: list[str]) -> list[str]:
    """Takes the blocks at 1/4 (rounded down), 2/4, 3/4 and 4/4 of the depth, or all if there are fewer than four."""
    return [paths[len(paths) * i // 4 - 1] for i in range(1, 5)] if len(paths) > 4 else paths
