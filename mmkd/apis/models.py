"""Listing and building the models of the index and of the config fragments."""
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from mmengine.model import BaseModel

from mmkd.distillers.models import ModelSpec, build_model, named_model, plain_models, read_spec
from mmkd.utils import UserError
from mmkd.utils.building.arguments import COUNT, check_arguments
from mmkd.utils.building.build import type_name
from mmkd.zoo import model_index

from .features import FeatureExtractor


def list_models(pattern: str | None = None) -> list[str]:
    """Lists the models: plain ones, such as ``convnest-tiny``, and the trained ones of the model index.

    Args:
        pattern: Shell pattern such as ``'convnest*'``; None lists all.

    Returns:
        The names, sorted.
    """
    names = {*model_index(), *plain_models()}
    return sorted(name for name in names if pattern is None or fnmatch(name, pattern))


def get_model(name: str | Path, pretrained: bool = False, num_classes: int | None = None, features_only: bool = False,
              checkpoint: str | Path | None = None, **kwargs: object) -> BaseModel | FeatureExtractor:
    """Builds a model by name, or of a config file; of a distillation recipe, the student.

    Args:
        name: A name that :func:`list_models` gives, ``timm:NAME``, ``hf:NAME``, or a config (path, ``mmkd::…``).
        pretrained: Whether to load the published weights.
        num_classes: Number of classes, if another one than the config's; pretrained weights and those of a checkpoint
            of the config's number then leave the classifier as it was initialised.
        features_only: Whether to get the stages' feature maps instead of logits: a :class:`FeatureExtractor`.
        checkpoint: File with the weights: a path, a URL or a name of the index. Of a recipe's training checkpoint the
            student is taken; see :mod:`mmkd.utils.checkpoints.weights` for which of raw and averaged weights.
        **kwargs: Dotted keys of the config to override, such as ``**{'model.backbone.drop_path_rate': 0.2}``;
            of timm's models, arguments of its ``create_model``.

    Returns:
        The model, on the CPU, in training mode.

    Raises:
        UserError: The name is unknown, the number of classes is none, there are no published weights, those of the
            checkpoint belong to another model, or there are no classes or stages to speak of.
    """
    if pretrained and checkpoint is not None:
        raise UserError('get_model expects pretrained=True or a checkpoint, got both. Leave one out.')
    named = named_model(name, 'get_model', pretrained)
    if pretrained and 'config' in named and name not in model_index():
        raise UserError(f'get_model expects the name of an indexed model with pretrained=True, got {name!r}. '
                        'Give the file of the weights as checkpoint=FILE.')
    if 'config' in named:
        spec = read_spec(dict(config=named['config'], options=kwargs or None), 'model')
        spec.checkpoint = name if pretrained else None
    else:
        spec = read_spec(named | kwargs, 'model')
    if checkpoint is not None:
        spec.checkpoint = str(checkpoint)
    model = build_model(spec, 'student') if num_classes is None else _of_classes(spec, name, num_classes)
    return FeatureExtractor(model) if features_only else model


def _of_classes(spec: ModelSpec, name: str | Path, num_classes: int) -> BaseModel:
    """A classifier with another number of classes, which its checkpoint may have as well."""
    cfg = _with_classes(spec.cfg, name, num_classes)
    try:
        model = build_model(spec, 'student')
    except UserError:
        with suppress(UserError):
            return build_model(ModelSpec(cfg, spec.checkpoint), 'student')
        raise
    other = build_model(ModelSpec(cfg, None), 'student')
    if spec.checkpoint is not None:
        own = other.state_dict()
        same = {key: value for key, value in model.state_dict().items() if own[key].shape == value.shape}
        other.load_state_dict(own | same)
    return other


def _with_classes(cfg: dict, name: str | Path, num_classes: int) -> dict:
    """The config of a classifier with another number of classes."""
    check_arguments('get_model', num_classes=(num_classes, COUNT))
    if type_name(cfg) in ('TimmClassifier', 'HuggingFaceModel'):
        return cfg | dict(num_classes=num_classes)
    if 'num_classes' not in (cfg.get('head') or {}):
        raise UserError(f'num_classes expects a classifier whose head has that entry, got {name}. Override the '
                        'entry that has it by its dotted key.')
    return cfg | dict(head=cfg['head'] | dict(num_classes=num_classes))
