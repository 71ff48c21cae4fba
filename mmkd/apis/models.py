"""Listing and building the models of the index and of the config fragments."""
from fnmatch import fnmatch
from pathlib import Path

from mmengine.model import BaseModel

from mmkd.distillers.models import build_model, read_spec
from mmkd.utils import UserError, nearest
from mmkd.utils.building.build import type_name
from mmkd.utils.configs.finding import config_root, load_config
from mmkd.zoo import model_index

from .features import FeatureExtractor


def _fragments() -> dict[str, Path]:
    """Name to file of the plain models, which no recipe is tied to."""
    return {path.stem: path for path in (config_root() / '_base_' / 'models').glob('*.py')}


def list_models(pattern: str | None = None) -> list[str]:
    """Lists the models: plain ones, such as ``convnest-tiny``, and the trained ones of the model index.

    Args:
        pattern: Shell pattern such as ``'convnest*'``; None lists all.

    Returns:
        The names, sorted.
    """
    names = {*model_index(), *_fragments()}
    return sorted(name for name in names if pattern is None or fnmatch(name, pattern))


def get_model(name: str, pretrained: bool = False, num_classes: int | None = None, features_only: bool = False,
              checkpoint: str | Path | None = None, **kwargs: object) -> BaseModel | FeatureExtractor:
    """Builds a model by name, or of a config file; of a distillation recipe, the student.

    Args:
        name: A name that :func:`list_models` gives, or a config (path, ``mmkd::…``).
        pretrained: Whether to load the published weights.
        num_classes: Number of classes, if another one than the config's; pretrained weights and those of a checkpoint
            then leave the classifier as it was initialised.
        features_only: Whether to get the stages' feature maps instead of logits: a :class:`FeatureExtractor`.
        checkpoint: File with the weights: a path, a URL or a name of the index. Of a recipe's training checkpoint the
            student is taken; see :mod:`mmkd.utils.checkpoints.weights` for which of raw and averaged weights.
        **kwargs: Dotted keys of the config to override, such as ``**{'model.backbone.drop_path_rate': 0.2}``.

    Returns:
        The model, on the CPU, in training mode.

    Raises:
        UserError: The name is unknown, there are no published weights, those of the checkpoint belong to another
            model, or there are no classes or stages to speak of.
    """
    index = model_index()
    config = _find(name, index)
    if pretrained and name not in index:
        raise UserError(f'get_model expects the name of an indexed model with pretrained=True, got {name!r}. '
                        'Give the file of the weights as checkpoint=FILE.')
    if pretrained and checkpoint is not None:
        raise UserError('get_model expects pretrained=True or a checkpoint, got both. Leave one out.')
    spec = read_spec(dict(config=str(config), options=kwargs or None), 'model')
    spec.checkpoint = name if pretrained else None if checkpoint is None else str(checkpoint)
    model = build_model(spec, 'student')
    if num_classes is not None:
        options = kwargs | _class_options(str(config), num_classes)
        other = build_model(read_spec(dict(config=str(config), options=options), 'model'), 'student')
        if spec.checkpoint is not None:
            own = other.state_dict()
            same = {key: value for key, value in model.state_dict().items() if own[key].shape == value.shape}
            other.load_state_dict(own | same)
        model = other
    return FeatureExtractor(model) if features_only else model


def _find(name: str, index: dict[str, dict]) -> str | Path:
    fragments = _fragments()
    if name in index:
        return config_root().parent / index[name]['Config']
    if name in fragments:
        return fragments[name]
    if '::' in name or name.endswith('.py'):
        return name
    raise UserError(f'get_model expects a model of the index or a config, got {name!r}. '
                    f'{nearest(name, [*index, *fragments])}')


def _class_options(config: str, num_classes: int) -> dict[str, int]:
    """The config's entries that hold the number of classes."""
    model = load_config(config).model
    if num_classes < 1:
        raise UserError(f'num_classes expects 1 or more, got {num_classes}.')
    if type_name(model) == 'TimmClassifier':
        return {'model.num_classes': num_classes}
    if 'num_classes' not in (model.get('head') or {}):
        raise UserError(f'num_classes expects a classifier whose head has that entry, got {config}. Override the '
                        'entry that has it by its dotted key.')
    return {'model.head.num_classes': num_classes}
