"""The places in a model that have a name of their own: its stages, ``pre_logits`` and ``logits``."""
from dataclasses import dataclass, replace
from typing import Any

from mmcv.cnn import ConvModule
from torch import nn


@dataclass(frozen=True)
class Location:
    """Where a tap reads.

    Args:
        module: Dotted path of the module.
        reads_input: Whether its input is read, and not its output.
        every_run: Whether all runs in a forward pass are read, and not the last one only.
        as_map: Whether what is read is brought into the form (N, C, H, W).
        prefix_tokens: How many class, distillation and register tokens come before those of the image.
        channels_last: Whether the module returns maps (N, H, W, C).
        item: Which item of the module's output is read, if not all of it.
    """
    module: str
    reads_input: bool = False
    every_run: bool = False
    as_map: bool = False
    prefix_tokens: int = 0
    channels_last: bool = False
    item: int | None = None


def named_locations(model: nn.Module) -> dict[str, Location]:
    """The taps with a name of their own that a model offers: stages, ``pre_logits`` and ``logits``.

    ``stage1`` to ``stage4`` are the outputs of the last blocks before the map is halved and at the end, always as
    maps (N, C, H, W): tokens are laid out, without class tokens. A network that keeps one resolution (plain vision
    transformers, MLP-Mixers, isotropic ConvNets) is divided instead: its stages are the outputs of the blocks at
    1/4, 2/4, 3/4 and 4/4 of its depth. ``logits`` are (N, C) of classifiers, (N, C, H, W) of segmentors, and such a
    map a level of detectors (for two-stage ones, the objectness of the proposal network).

    Args:
        model: The model.

    Returns:
        Tap name to location, in the order of the forward pass.
    """
    timm_model, head = getattr(model, 'model', None), getattr(model, 'head', None)
    if hasattr(timm_model, 'get_classifier'):
        return (_stages('model', timm_model, _timm_stages(timm_model))
                | _logits('model', _timm_classifier(timm_model)))
    backbone = getattr(model, 'backbone', None)
    locations = _stages('backbone', backbone, _backbone_stages(backbone))
    if hasattr(head, 'pre_logits'):
        return locations | _logits('head', _last_linear(head))
    return locations | _dense_logits(model)


def _stages(root: str, network: Any, paths: list[str]) -> dict[str, Location]:
    prefix = getattr(network, 'num_prefix_tokens', getattr(network, 'num_extra_tokens', 0))
    form = Location('', as_map=True, prefix_tokens=prefix,
                    channels_last=getattr(network, 'output_fmt', None) == 'NHWC')
    return {f'stage{i}': replace(form, module=f'{root}.{path}') for i, path in enumerate(paths, start=1)}


def _dense_logits(model: Any) -> dict[str, Location]:
    """The class maps of a segmentor's head, or of each level of a detector's dense head or proposal network."""
    if isinstance(getattr(getattr(model, 'decode_head', None), 'conv_seg', None), nn.Module):
        return {'logits': Location('decode_head.conv_seg')}
    for head in ('rpn_head', 'bbox_head'):
        if isinstance(getattr(model, head, None), nn.Module):
            return {'logits': Location(head, item=0)}
    return {}


def _logits(root: str, classifier: str | None) -> dict[str, Location]:
    pre_logits = {'pre_logits': Location(f'{root}.{classifier}', reads_input=True)} if classifier else {}
    return pre_logits | {'logits': Location(root)}


def _last_linear(head: Any) -> str | None:
    return next((name for name, module in reversed(list(head.named_modules())) if isinstance(module, nn.Linear)), None)


def _timm_classifier(model: Any) -> str | None:
    """Finds timm's classifier; of models with two (DeiT's distilled ones), the last linear layer."""
    classifier = model.get_classifier()
    name = next((name for name, module in model.named_modules() if module is classifier), None)
    return name or _last_linear(model)


def _timm_stages(model: Any) -> list[str]:
    """Finds the stages of timm's models by their feature info."""
    modules = dict(model.named_modules())
    info = [item for item in getattr(model, 'feature_info', []) if item['module'] in modules and item['reduction'] > 2]
    paths = [item['module'] for item in info]
    return _quarters(paths) if len({item['reduction'] for item in info}) == 1 else paths


def _backbone_stages(backbone: Any) -> list[str]:
    """Finds the stages of an OpenMMLab backbone by the attributes that its families share."""
    stages, layers = getattr(backbone, 'stages', None), getattr(backbone, 'layers', None)
    if isinstance(stages, nn.ModuleList):
        if len(stages) == 1 and isinstance(stages[0], nn.Sequential):  # isotropic
            return _quarters([f'stages.0.{i}' for i in range(len(stages[0]))])
        return [f'stages.{i}' for i in range(len(stages))]
    if getattr(backbone, 'res_layers', None):  # ResNet and its relatives
        return list(backbone.res_layers)
    if isinstance(layers, nn.ModuleList):  # plain transformers, Mixers, EfficientNet
        return _by_resolution({f'layers.{i}': layer for i, layer in enumerate(layers)})
    if isinstance(layers, list):  # MobileNets: names
        return _by_resolution({name: getattr(backbone, name) for name in layers})
    return []


def _by_resolution(layers: dict[str, nn.Module]) -> list[str]:
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
