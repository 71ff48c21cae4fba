"""The places in a model that have a name of their own: its stages, ``pre_logits`` and ``logits``."""
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mmengine.model import BaseModel
from torch import nn

from .dense import dense_locations
from .huggingface import huggingface_locations, is_huggingface
from .location import Location
from .plain import plain_locations
from .stages import backbone_stages, last_linear, patches_of, timm_classifier, timm_stages, token_form

CLASS_SCORES = ('bbox_head', 'conv_seg')  # and fc_cls, retina_cls, conv_cls, …: modules of dense heads


def named_locations(model: nn.Module) -> dict[str, Location]:
    """The taps with a name of their own that a model offers: stages, ``pre_logits`` and ``logits``.

    ``stage1`` to ``stage4`` are the outputs of the last blocks before the map is halved and at the end, always as
    maps (N, C, H, W): tokens are laid out, without class tokens. A network that keeps one resolution (plain vision
    transformers, MLP-Mixers, isotropic ConvNets) is divided instead: its stages are the outputs of the blocks at
    1/4, 2/4, 3/4 and 4/4 of its depth. ``patches`` are the tokens of a plain vision transformer after its last norm,
    as a map, without class and register tokens; of any model of Hugging Face's, its last map. ``logits`` are (N, C) of
    classifiers, (N, C, H, W) of segmentors, and such a map a level of detectors (for two-stage ones, the objectness of
    the proposal network); of a plain module, the tensor that it returns, or the one that is meant in a tuple or dict.
    What else detectors and segmentors have is listed in :func:`~mmkd.distillers.taps.dense.dense_locations`.
    There ``output`` is all that it returns.

    Args:
        model: The model.

    Returns:
        Tap name to location, in the order of the forward pass.
    """
    own = {} if isinstance(model, BaseModel) else plain_locations(model)
    return own | _of_openmmlab(model)


def stage_names(names: Iterable[str]) -> list[str]:
    """Those of some taps that are stages, in their order; that of :func:`named_locations` is that of the forward pass.

    Args:
        names: Tap names, or a mapping from them.
    """
    return [name for name in names if name.startswith('stage')]


def reads_classes(model: nn.Module, location: Location) -> bool:
    """Whether scores of the model's classes are read, an entry or channel (or several) a class in their order.

    Args:
        model: The model; of a two-stage detector ``logits`` are its proposal network's, which knows no classes.
        location: Where.
    """
    named = named_locations(model)
    path, last = location.module.split('.'), location.module.rpartition('.')[2]
    if path[0] == 'rpn_head' or location.reads_input:
        return False
    scores = [named[name].module for name in ('logits', 'pre_logits') if name in named]  # pre_logits: its input
    return location.module in scores or last in CLASS_SCORES or last.endswith('_cls')


def scores_are_independent(model: nn.Module, location: Location) -> bool:
    """Whether scores of classes are read of which an image or region can have several, or none: sigmoids of each.

    A binary cross-entropy on single labels, as many train classifiers of ImageNet, makes them no such scores.

    Args:
        model: The model.
        location: Where.
    """
    if not reads_classes(model, location):
        return False
    path = location.module.split('.')
    for end in range(len(path), 0, -1):
        head = model.get_submodule('.'.join(path[:end]))
        if any(kind.__name__ == 'MultiLabelClsHead' for kind in type(head).__mro__):
            return True
        if isinstance(getattr(head, 'loss_cls', None), nn.Module):
            return bool(getattr(head.loss_cls, 'use_sigmoid', False))
    return False


def _of_openmmlab(model: nn.Module) -> dict[str, Location]:
    timm_model, head = getattr(model, 'model', None), getattr(model, 'head', None)
    if isinstance(model, BaseModel) and is_huggingface(timm_model):
        return huggingface_locations(timm_model, 'model', 'pooled' if hasattr(model, 'pooled') else None)
    if hasattr(timm_model, 'get_classifier'):
        return (_stages('model', timm_model, timm_stages(timm_model)) | patches_of(timm_model, 'model.')
                | _logits('model', timm_classifier(timm_model)))
    backbone = getattr(model, 'backbone', None)
    locations = _stages('backbone', backbone, backbone_stages(backbone)) | patches_of(backbone, 'backbone.')
    if hasattr(head, 'pre_logits'):
        return locations | _logits('head', last_linear(head))
    return locations | dense_locations(model)


def _stages(root: str, network: Any, paths: list[str]) -> dict[str, Location]:
    form = token_form(network)
    return {f'stage{i}': replace(form, module=f'{root}.{path}') for i, path in enumerate(paths, start=1)}


def _logits(root: str, classifier: str | None) -> dict[str, Location]:
    pre_logits = {'pre_logits': Location(f'{root}.{classifier}', reads_input=True)} if classifier else {}
    return pre_logits | {'logits': Location(root)}
