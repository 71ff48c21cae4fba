"""Taps: the places in a model where tensors are read."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmcv.cnn import ConvModule
from torch import Tensor, nn

from mmkd.utils import UserError, nearest


@dataclass(frozen=True)
class Location:
    """A module of the model, and which side of it a tap reads."""
    module: str
    reads_input: bool = False


class Taps:
    """Reads named tensors from the forward passes of one model.

    The names are resolved once; from then on every forward pass of the model leaves its tensors
    here until :meth:`take` collects them. A module that runs several times in a pass leaves the
    tensor of its last run. A copy of the model (an EMA, say) gets taps of its own with ``deepcopy``
    of the object that holds both.

    Args:
        model: An mmpretrain classifier, mmdet detector, mmseg segmentor, or any module.
        names: ``logits``, ``pre_logits``, ``stage1`` …, or dotted module paths.

    Raises:
        UserError: A tap does not exist; the message lists the valid ones.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self._tensors: dict[str, Tensor | list[Tensor]] = {}
        vocabulary = named_locations(model)
        modules = dict(model.named_modules())
        for name in dict.fromkeys(names):
            location = vocabulary.get(name, Location(name))
            if not name or location.module not in modules:
                raise UserError(f'{type(model).__name__} has no tap {name!r}. '
                                f'{_suggestions(name, vocabulary, modules)}')
            self._register(name, modules[location.module], location.reads_input)

    def _register(self, name: str, module: nn.Module, reads_input: bool) -> None:
        if reads_input:
            module.register_forward_pre_hook(_Recorder(self._tensors, name))
        else:
            module.register_forward_hook(_Recorder(self._tensors, name))

    def take(self) -> dict[str, Tensor | list[Tensor]]:
        """Returns the tensors of the last forward pass by tap name, and forgets them."""
        tensors = dict(self._tensors)
        self._tensors.clear()
        return tensors


class _Recorder:
    """A forward hook that keeps a tensor under a name (an object, so that deepcopy follows it)."""

    def __init__(self, tensors: dict, name: str) -> None:
        self.tensors = tensors
        self.name = name

    def __call__(self, module: nn.Module, *inputs_and_output: object) -> None:
        self.tensors[self.name] = _only_tensors(inputs_and_output[-1])


def _only_tensors(value: object) -> Tensor | list[Tensor]:
    """Unpacks ``(tensor,)``, and ``(tokens, (H, W))`` as window transformers return it."""
    if isinstance(value, list | tuple):
        tensors = [item for item in value if isinstance(item, Tensor)]
        return tensors[0] if len(tensors) == 1 else tensors
    return value


def named_locations(model: nn.Module) -> dict[str, Location]:
    """The taps with a name of their own that a model offers: stages, ``pre_logits`` and ``logits``.

    ``stage1`` to ``stage4`` are the outputs of the last blocks before the map is halved and at the end. A network
    that keeps one resolution (plain vision transformers, MLP-Mixers, isotropic ConvNets) is divided instead: its
    stages are the outputs of the blocks at 1/4, 2/4, 3/4 and 4/4 of its depth.

    Args:
        model: The model.

    Returns:
        Tap name to location, in the order of the forward pass.
    """
    timm_model, head = getattr(model, 'model', None), getattr(model, 'head', None)
    if hasattr(timm_model, 'get_classifier'):
        return _stages('model', _timm_stages(timm_model)) | _logits('model', _timm_classifier(timm_model))
    locations = _stages('backbone', _backbone_stages(getattr(model, 'backbone', None)))
    return locations | _logits('head', _last_linear(head)) if hasattr(head, 'pre_logits') else locations


def _stages(root: str, paths: list[str]) -> dict[str, Location]:
    return {f'stage{i}': Location(f'{root}.{path}') for i, path in enumerate(paths, start=1)}


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


def _suggestions(name: str, vocabulary: dict[str, Location], modules: dict[str, nn.Module]) -> str:
    if '.' in name:
        parent = name.rpartition('.')[0]
        siblings = [path for path in modules if path.rpartition('.')[0] == parent]
        return nearest(name, [*vocabulary, *(siblings or modules)])
    return f'{nearest(name, vocabulary)} A dotted module path, such as "backbone.stages.0", is valid too.'
