"""Building what a config describes without reading any checkpoint."""
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from mmkd.distillers.models import TEACHER_OPTIONS, ModelSpec, read_spec
from mmkd.distillers.teacher import SINGLE, named_teachers, teacher_role
from mmkd.utils import UserError
from mmkd.utils.building.build import is_distiller, type_name

FILE_KEYS = ('pretrained', 'teacher_ckpt')  # timm's and mmdet's; mmdet's of detectors that have a teacher


def without_weights(config: Config) -> tuple[dict, dict[str, ModelSpec]]:
    """Rewrites the model of a config so that building and initialising it reads no weights.

    Args:
        config: A distillation recipe, or a config with one model; it is left as it is.

    Returns:
        Config of the model, to be built, and what the config says of each single model: ``'student'`` and
        ``'teacher'`` (or ``"teacher 'name'"``), or ``'model'``. The student's running average has no entry.

    Raises:
        UserError: The config names no model, or one that does not exist.
    """
    if not config.get('model'):
        raise UserError(f'{config.filename} expects a model, which it has not. Name the config of a model.')
    model = ConfigDict(config.model).to_dict()
    if 'data_preprocessor' in config:
        model.setdefault('data_preprocessor', ConfigDict(config.data_preprocessor).to_dict())
    if not is_recipe(config):
        spec = read_spec(model, 'model')
        return strip_weights(spec.cfg), {'model': spec}
    specs = {'student': read_spec(model.get('student'), 'student', model.get('data_preprocessor'))}
    teachers = {}
    for name, cfg in named_teachers(model.get('teacher')).items():
        if isinstance(cfg, dict) and ('ema' in cfg or set(cfg) == {'cache'}):
            teachers[name] = cfg
            continue
        options = {key: cfg[key] for key in TEACHER_OPTIONS if key in cfg}
        spec = read_spec({key: value for key, value in cfg.items() if key not in options}, 'teacher')
        options.pop('cache', None)  # the model itself is looked at, where the recipe says which it is
        specs[teacher_role(name)] = spec
        teachers[name] = strip_weights(spec.cfg) | options
    return model | dict(student=strip_weights(specs['student'].cfg),
                        teacher=teachers if _is_named_so(model['teacher']) else teachers.get(SINGLE, teachers)), specs


def _is_named_so(teacher: object) -> bool:
    """Whether a recipe names several teachers, one of them as one without a name is called."""
    return isinstance(teacher, dict) and SINGLE in teacher


def is_recipe(config: Config) -> bool:
    """Whether a config's model is a distiller."""
    return is_distiller(config.get('model'))


def brings_weights(spec: ModelSpec) -> bool:
    """Whether a model comes with a checkpoint, timm's weights, or an ``init_cfg`` that loads a file."""
    return spec.checkpoint is not None or spec.cfg != strip_weights(spec.cfg)


def pretrained_inits(cfg: object) -> list[dict]:
    """All ``init_cfg`` of type ``Pretrained`` inside a model's config."""
    if _loads_a_file(cfg):
        return [cfg]
    items = cfg.values() if isinstance(cfg, Mapping) else cfg if isinstance(cfg, list | tuple) else ()
    return [found for item in items for found in pretrained_inits(item)]


def strip_weights(value: Any) -> Any:
    """Takes every ``init_cfg`` that loads a file, and other keys of files, out of a model's config."""
    if isinstance(value, Mapping):
        return {key: (False if isinstance(item, bool) else None) if key in FILE_KEYS else strip_weights(item)
                for key, item in value.items() if not (key == 'init_cfg' and _loads_a_file(item))}
    if isinstance(value, list | tuple):
        return type(value)(strip_weights(item) for item in value if not _loads_a_file(item))
    return value


def _loads_a_file(cfg: object) -> bool:
    return isinstance(cfg, Mapping) and type_name(cfg) in ('Pretrained', 'PretrainedInit')
