"""Loading what a config says of weights into models that were built without any."""
from collections.abc import Iterator, Mapping

import torch
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmkd.distillers.models import ModelSpec, build_with_report, reads_file
from mmkd.utils.checkpoints.weights import choose_weights, plain, split_choice
from mmkd.zoo import load_weights
from mmkd.zoo.loading import load_any, start_weights
from mmkd.zoo.pretrained import OUTPUT_NORM
from mmkd.zoo.urls import CHECKPOINT_SCHEMES

from .recipe import Finding, Recipe, error_line
from .weightless import brings_weights, pretrained_inits


def check_weights(recipe: Recipe) -> Iterator[Finding]:
    """Checkpoints exist and load (n of m tensors), and teachers have weights at all."""
    for role, model in recipe.single_models().items():
        spec = recipe.specs[role]
        if brings_weights(spec):
            yield from _loaded(recipe, role, model, spec)
        elif role.startswith('teacher'):
            yield Finding('error', f'the {role} has no weights and would teach at random. '
                          f"Set {role.split()[0]}=dict(…, checkpoint='…').")
        elif not recipe.config.get('load_from'):
            yield Finding('ok', f'the {role} starts from random weights.')
    if recipe.distiller is not None and recipe.distiller.averages:
        yield Finding('ok', "a teacher is the student's running average, and takes its weights from the student.")
    if recipe.config.get('load_from'):
        yield from _load_from(recipe)


def _loaded(recipe: Recipe, role: str, model: BaseModel, spec: ModelSpec) -> Iterator[Finding]:
    """Builds the model once more as training would, and copies its weights."""
    try:
        twin, report = build_with_report(spec, role.split()[0])
        inits = pretrained_inits(spec.cfg) if spec.checkpoint is None else []
        from_file = spec.checkpoint is None and reads_file(spec)
        if from_file and not role.startswith('teacher'):  # whose weights were initialised when it was built
            twin.init_weights()
    except Exception as error:
        yield Finding('error', f'the {role} gets no weights: {error_line(error)}')
        return
    _copy(twin, model)
    recipe.has_weights.add(role)
    if report:
        yield Finding('ok', f'{report}.')
    elif spec.pretrained:
        yield Finding('ok', f"the {role} has timm's weights of {spec.cfg.get('model_name')}.")
    for init in inits:
        yield _share_taken(role, twin.state_dict(), init)


def _copy(source: nn.Module, target: nn.Module) -> None:
    """Copies by the modules' own names, which the state dicts of timm's wrapper differ from."""
    tensors = dict(source.named_parameters()) | dict(source.named_buffers())
    with torch.no_grad():
        for name, tensor in [*target.named_parameters(), *target.named_buffers()]:
            tensor.copy_(tensors[name])


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.equal(other.to(one.dtype))


def _share_taken(role: str, own: Mapping[str, Tensor], init: Mapping) -> Finding:
    """How many tensors of a file an ``init_cfg`` has brought into a model; MMEngine leaves out what does not fit."""
    prefix = f'{init["prefix"].rstrip(".")}.' if init.get('prefix') else ''
    offered = {name.removeprefix(prefix): value for name, value in _offered(init, own).items()
               if name.startswith(prefix) and not (prefix and OUTPUT_NORM.fullmatch(name.removeprefix(prefix)))}
    taken = [name for name, value in offered.items() if any(
        key == name or key.endswith(f'.{name}') for key, mine in own.items() if _same(mine, value))]
    text = f'the {role} took {len(taken)} of the {len(offered)} tensors of {init["checkpoint"]}'
    if offered and len(taken) == len(offered):
        return Finding('ok', f'{text}.')
    other = next((name for name in offered if name not in taken), f'any of {prefix}*')
    return Finding('warning' if taken else 'error', f'{text}; not {other}, for example. Check that the file belongs to '
                   'this model, and the prefix of init_cfg.')


def _offered(init: Mapping, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's weights, under the names by which ``init_cfg`` looks for them."""
    scheme, separator, _ = str(init['checkpoint']).partition('://')
    if init.get('prefix') and (not separator or scheme in CHECKPOINT_SCHEMES):
        return load_weights(init['checkpoint'], own)
    return _state_dict(init['checkpoint'])


def _load_from(recipe: Recipe) -> Iterator[Finding]:
    path = recipe.config.load_from
    own = recipe.model.state_dict()
    name, which = split_choice(path)
    weights, matched, problem = start_weights(load_any(name), recipe.model, f'load_from={path}', which)
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    recipe.model.load_state_dict(own | fitting)
    recipe.has_weights.add('model' if recipe.distiller is None else 'student')
    text = f'load_from={path}: {matched}'
    yield Finding('warning', f'{text}; {problem}.') if problem else Finding('ok', f'{text}.')


def _state_dict(path: str) -> dict[str, Tensor]:
    return plain(choose_weights(CheckpointLoader.load_checkpoint(path, map_location='cpu'), path).tensors)
