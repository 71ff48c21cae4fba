"""Listing and building the models of the index."""
from fnmatch import fnmatch
from pathlib import Path

from mmengine.model import BaseModel

from mmkd.distillers.models import build_model, read_spec
from mmkd.utils import UserError, nearest
from mmkd.utils.configs import config_root
from mmkd.zoo import model_index


def list_models(pattern: str | None = None) -> list[str]:
    """Lists the names in the model index.

    Args:
        pattern: Shell pattern such as ``'convnest*'``; None lists all.

    Returns:
        The names, sorted.
    """
    return sorted(name for name in model_index() if pattern is None or fnmatch(name, pattern))


def get_model(name: str, pretrained: bool = False, **kwargs: object) -> BaseModel:
    """Builds a model of the index, or of a config file; of a distillation recipe, the student.

    Args:
        name: A name that :func:`list_models` gives, or a config (path, ``mmkd::…``).
        pretrained: Whether to load the published weights.
        **kwargs: Dotted keys of the config to override, such as ``**{'model.head.num_classes': 10}``.

    Returns:
        The model, on the CPU, in training mode.

    Raises:
        UserError: The name is unknown, or there are no published weights.
    """
    index = model_index()
    if name in index:
        config: str | Path = config_root().parent / index[name]['Config']
    elif '::' in name or name.endswith('.py'):
        config = name
    else:
        raise UserError(f'get_model expects a model of the index or a config, got {name!r}. '
                        f'{nearest(name, index)}')
    if pretrained and name not in index:
        raise UserError(f'get_model expects the name of an indexed model with pretrained=True, got {name!r}.')
    spec = read_spec(dict(config=str(config), options=kwargs or None), 'model')
    spec.checkpoint = name if pretrained else None
    return build_model(spec, 'student')
