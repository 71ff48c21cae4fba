"""A timm student's weights under the names of ``TIMMBackbone``, by which mmdet and mmseg use timm models."""
from collections.abc import Iterable, Mapping

from torch import Tensor

from mmkd.utils import UserError, nearest
from mmkd.utils.checkpoints.reading import compare, few_names

PREFIX = 'timm_model.'


def in_wrapper(weights: Mapping[str, Tensor], own_names: Iterable[str]) -> dict[str, Tensor]:
    """Renames a timm model's weights to those of the wrapper that takes them; what it has none of is left out.

    With ``features_only`` timm writes ``stages_0.`` in place of ``stages.0.``, or ``model.`` before all names.

    Args:
        weights: Parameter name to tensor, by timm's names.
        own_names: The names in ``TIMMBackbone``, which begin with ``timm_model.``.

    Returns:
        Those of its names that the weights have, to tensors.

    Raises:
        UserError: The weights have more in a module that the wrapper has: they are those of a deeper model.
    """
    own_names = list(own_names)
    modules = {name.removeprefix(PREFIX).removeprefix('model.').partition('.')[0] for name in own_names}
    by_name = {name.replace('.', '_', 1): value for name, value in weights.items()} | dict(weights)
    found, used = {}, set()
    for own in own_names:
        inner = own.removeprefix(PREFIX)
        name = next((name for name in (inner, inner.removeprefix('model.')) if name in by_name), None)
        if name is not None:
            found[own] = by_name[name]
            used.add(id(by_name[name]))
    more = [name for name, value in weights.items() if id(value) not in used
            and {name.partition('.')[0], name.replace('.', '_', 1).partition('.')[0]} & modules]
    if more:
        raise UserError(f'the backbone expects the weights of its own timm model, got more: {few_names(more)}. Give '
                        'the name of the model that the file is of.')
    return found


def timm_backbone_weights(model_name: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Takes from a timm model's weights those of ``TIMMBackbone(model_name=…, features_only=True)``, under its names.

    Args:
        model_name: The model's name in timm.
        weights: Parameter name to tensor, by timm's names.

    Raises:
        UserError: timm has no such model or no feature maps of it, or the weights are those of another one.
    """
    import timm
    if not timm.is_model(model_name):
        close = nearest(model_name, timm.list_models()).split(' Valid:')[0]
        raise UserError(f'the backbone expects the name of a timm model, got {model_name!r}. {close}')
    try:
        model = timm.create_model(model_name, features_only=True, pretrained=False)
    except (RuntimeError, AttributeError, AssertionError, TypeError, ValueError) as error:
        raise UserError(f'the backbone expects a timm model with feature maps, got {model_name}, for which timm says: '
                        f'{error}. Take another one.') from error
    own = {f'{PREFIX}{name}': value for name, value in model.state_dict().items()}
    named = in_wrapper(weights, own)
    matched, problem = compare(own, named)
    if problem:
        raise UserError(f'the backbone {model_name}: {matched}; {problem}. Give the name that the recipe '
                        'has in timm=….')
    return named
