"""Taps: the places in a model where tensors are read."""
from collections.abc import Sequence
from dataclasses import dataclass

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

    Args:
        model: The model.

    Returns:
        Tap name to location, in the order of the forward pass.
    """
    locations = _stages(model)
    timm_model = getattr(model, 'model', None)
    if hasattr(timm_model, 'get_classifier'):
        root, head = 'model', timm_model
    elif getattr(model, 'head', None) is not None and hasattr(model.head, 'pre_logits'):
        root, head = 'head', model.head
    else:
        return locations
    linears = [name for name, module in head.named_modules() if isinstance(module, nn.Linear)]
    if linears:
        locations['pre_logits'] = Location(f'{root}.{linears[-1]}', reads_input=True)
    locations['logits'] = Location(root)
    return locations


def _stages(model: nn.Module) -> dict[str, Location]:
    """Finds the stages of timm's models by their feature info, of all others in the backbone."""
    timm_model = getattr(model, 'model', None)
    if hasattr(timm_model, 'feature_info'):
        modules = dict(timm_model.named_modules())
        info = timm_model.feature_info
        paths = [item['module'] for item in info if item['module'] in modules and item['reduction'] > 2]
        return {f'stage{i}': Location(f'model.{path}') for i, path in enumerate(paths, start=1)}
    backbone = getattr(model, 'backbone', None)
    if isinstance(getattr(backbone, 'stages', None), nn.ModuleList):
        paths = [f'backbone.stages.{i}' for i in range(len(backbone.stages))]
    else:  # ResNet and its relatives name their stages
        paths = [f'backbone.{name}' for name in getattr(backbone, 'res_layers', [])]
    return {f'stage{i}': Location(path) for i, path in enumerate(paths, start=1)}


def _suggestions(name: str, vocabulary: dict[str, Location], modules: dict[str, nn.Module]) -> str:
    if '.' in name:
        parent = name.rpartition('.')[0]
        siblings = [path for path in modules if path.rpartition('.')[0] == parent]
        return nearest(name, [*vocabulary, *(siblings or modules)])
    return f'{nearest(name, vocabulary)} A dotted module path, such as "backbone.stages.0", is valid too.'
