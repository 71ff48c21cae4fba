"""Building students and teachers from what a recipe says of them."""
import inspect
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.registry import MODELS as ROOT_MODELS
from torch import nn

from mmkd.utils import UserError, nearest
from mmkd.utils.building.build import is_distiller, type_name
from mmkd.utils.building.signatures import check_type
from mmkd.utils.checkpoints.reading import load_strictly
from mmkd.utils.configs.finding import load_config
from mmkd.utils.configs.options import nested
from mmkd.utils.given import given
from mmkd.utils.randomness import unchanged_generators
from mmkd.zoo import load_weights
from mmkd.zoo.hub.reach import published_weights

from .names import named_model
from .scopes import with_scope

FORMS = {'type': ('type', 'checkpoint'), 'config': ('config', 'options', 'checkpoint'), 'timm': ('timm', 'checkpoint'),
         'hf': ('hf', 'checkpoint'), 'module': ('module', 'checkpoint')}
TEACHER_OPTIONS = ('dtype', 'compile', 'channels_last', 'input_size', 'cache')
TIMM_OPTIONS = ('pretrained', 'num_classes', 'in_chans', 'img_size', 'drop_rate', 'drop_path_rate')


@dataclass
class ModelSpec:
    """A model as a recipe names it.

    Args:
        cfg: Config of the model itself, or ``dict(module=…)`` with the model.
        checkpoint: Path, URL or zoo name of its weights, if any.
        pretrained: Whether the config brings pretrained weights along (timm's ``pretrained=True``), or a
            module has those that it came with.
    """
    cfg: dict
    checkpoint: str | None
    pretrained: bool = False


def read_spec(spec: dict | str | nn.Module, role: str, data_preprocessor: dict | None = None) -> ModelSpec:
    """Turns ``student=dict(…)`` or ``teacher=dict(…)`` of a recipe into a model config.

    Args:
        spec: A model dict; or a dict with ``config`` (and optionally ``options``, dotted keys to
            override in it); or one with ``timm`` (further keys go to timm's ``create_model``); or one with ``hf``, a
            vision model of Hugging Face's with its weights (further keys: ``num_classes``, ``revision``,
            ``pretrained``); or one with ``module``, an ``nn.Module``, which may also stand for itself. Each dict may
            have a ``checkpoint``. Or the name of a model; see :func:`~mmkd.distillers.models.names.named_model`.
        role: ``'student'`` or ``'teacher'``, for the error message.
        data_preprocessor: The recipe's, which takes precedence over the config's.

    Returns:
        The spec.

    Raises:
        UserError: The dict has none of the forms or a key that it does not know, or its config does not exist.
    """
    if isinstance(spec, nn.Module):
        spec = dict(module=spec)
    if isinstance(spec, str):
        spec = named_model(spec, role)
    if not isinstance(spec, dict) or sum(key in spec for key in FORMS) != 1:
        raise UserError(f"{role} expects a model dict (type=…), dict(config='…'), dict(timm='…'), dict(hf='…') or an "
                        f'nn.Module, got {spec!r}.'
                        f'{_nearest_form(spec)}')
    spec = dict(spec)
    checkpoint = spec.pop('checkpoint', None)
    check_type(role, 'checkpoint', checkpoint, str | Path | None)
    if 'config' in spec:
        options = spec.pop('options', None)
        if not isinstance(options, dict | None):
            raise UserError(f'{role} expects options to be a dict of dotted keys, got {options!r}.')
        config = load_config(spec.pop('config'), nested(options or {}))
        if spec:
            key = next(iter(spec))
            raise UserError(f'{role} expects config, options and checkpoint, got also {key!r}. '
                            f'{nearest(key, known_keys("config", role))} Arguments of the model go into options.')
        cfg = _model_of(config)
    elif 'module' in spec:
        return _module_spec(spec, checkpoint, role)
    elif 'timm' in spec:
        cfg = dict(type='mmpretrain.TimmClassifier', model_name=spec.pop('timm'), **spec)
    elif 'hf' in spec:
        cfg = dict(type='mmkd.HuggingFaceModel', model_name=spec.pop('hf'), pretrained=checkpoint is None) | spec
    else:
        cfg = with_scope(spec, role)
    if data_preprocessor is not None:
        cfg['data_preprocessor'] = dict(data_preprocessor)
    return ModelSpec(cfg, checkpoint, cfg.get('pretrained') is True)


def _module_spec(spec: dict, checkpoint: str | None, role: str) -> ModelSpec:
    model = given(spec.pop('module'))
    if spec:
        key = next(iter(spec))
        raise UserError(f'{role} expects module and checkpoint, got also {key!r}. '
                        f'{nearest(key, known_keys("module", role))}')
    if not isinstance(model, nn.Module) or next(model.parameters(), None) is None:
        raise UserError(f'{role} expects module to be an nn.Module with parameters, got a '
                        f'{type(model).__name__}. Hand the model over; for a config that mmkd.distill wrote, call it '
                        'again.')
    return ModelSpec(dict(module=model), checkpoint, pretrained=True)


def known_keys(form: str, role: str) -> tuple[str, ...]:
    """The keys of ``student=dict(…)`` or ``teacher=dict(…)`` that are not the model's own.

    Args:
        form: ``'type'``, ``'config'``, ``'timm'``, ``'hf'`` or ``'module'``.
        role: ``'student'`` or a teacher's.
    """
    return FORMS[form] + (TEACHER_OPTIONS if role.startswith('teacher') else ())


def _nearest_form(spec: object) -> str:
    """What a misspelt key was meant to be, for the end of a message."""
    unknown = [key for key in spec if key not in FORMS] if isinstance(spec, dict) else []
    return ''.join(f' Did you mean {form} by {key!r}?'
                   for key in unknown for form in get_close_matches(key, FORMS, n=1))


def _model_of(config: Config) -> dict:
    """The model of a config file, with the file's scope and data preprocessor written into it."""
    if not config.get('model'):
        raise UserError(f'{config.filename} expects a model, which it has not. Name the config of a model.')
    cfg = ConfigDict(config.model).to_dict()
    if is_distiller(cfg):
        preprocessor = config.get('data_preprocessor')
        return read_spec(cfg['student'], 'student', preprocessor or cfg.get('data_preprocessor')).cfg
    cfg.setdefault('_scope_', config.get('default_scope') or 'mmpretrain')
    if 'data_preprocessor' in config:
        cfg.setdefault('data_preprocessor', config.data_preprocessor)
    return cfg


def student_config(config: Config) -> Config:
    """Turns a distillation recipe into an ordinary config of its student; leaves others alone.

    Args:
        config: Any config with a ``model``.

    Returns:
        A config whose model needs no teacher.
    """
    if is_distiller(config.get('model')):
        config = config.copy()
        config.model = _model_of(config)
    return config


def build_model(spec: ModelSpec, role: str) -> nn.Module:
    """Builds a student or a teacher and loads its checkpoint strictly.

    Args:
        spec: What :func:`read_spec` returned.
        role: ``'student'`` or ``'teacher'``.

    Returns:
        The model, with its checkpoint's weights if there is one.

    Raises:
        UserError: The checkpoint cannot be read or belongs to another model.
    """
    return build_with_report(spec, role)[0]


def build_with_report(spec: ModelSpec, role: str) -> tuple[nn.Module, str]:
    """As :func:`build_model`; returns also ``'n of m tensors matched'``, empty without a checkpoint."""
    model = build_without_weights(spec, role)
    return model, load_weights_of(model, spec, role)


def build_without_weights(spec: ModelSpec, role: str) -> nn.Module:
    """Builds a student or a teacher, and leaves all that it reads from a file to :func:`load_weights_of`."""
    if 'module' in spec.cfg:
        return spec.cfg['module']
    if type_name(spec.cfg) == 'TimmClassifier':
        _check_timm_name(spec.cfg.get('model_name'), role)
        if spec.cfg.get('pretrained'):
            with published_weights(f"{role}: timm's {spec.cfg['model_name']}"):
                return _built(spec.cfg, role)
    return _built(spec.cfg, role)


def load_weights_of(model: nn.Module, spec: ModelSpec, role: str) -> str:
    """Loads a model's checkpoint strictly, or initialises a teacher that has none.

    Returns:
        ``'n of m tensors matched'``, empty without a checkpoint.

    Raises:
        UserError: The checkpoint cannot be read or belongs to another model.
    """
    report = ''
    if spec.checkpoint is not None:
        weights = load_weights(spec.checkpoint, model.state_dict())
        report = load_strictly(model, weights, f'{role} {type(model).__name__} from {spec.checkpoint}')
        print_log(report, logger='current')
    elif role.startswith('teacher'):
        _initialise_teacher(model, spec)
    _keep_plain_keys(model)
    return report


def reads_file(spec: ModelSpec) -> bool:
    """Whether a teacher's weights come from a file, by its checkpoint or an ``init_cfg``."""
    return spec.checkpoint is not None or not spec.pretrained and _has_pretrained_init(spec.cfg)


def _built(cfg: dict, role: str) -> nn.Module:
    """Builds a model; an argument that its class has not is an error that names the nearest."""
    if 'data_preprocessor' in cfg and not _takes_preprocessor(cfg):
        cfg = {key: value for key, value in cfg.items() if key != 'data_preprocessor'}
    try:
        return ROOT_MODELS.build(ConfigDict(cfg))  # mmdet reads nested configs as attributes
    except TypeError as error:
        found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if found is None or found[1] not in cfg:
            raise
        raise UserError(f'{role} expects arguments that its {type_name(cfg)} has, got {found[1]!r}. '
                        f'{nearest(found[1], _arguments(cfg, role))}') from error


def _takes_preprocessor(cfg: dict) -> bool:
    """Whether a class is that of a whole model, and not of a backbone, which the distiller preprocesses for."""
    with ROOT_MODELS.switch_scope_and_registry(cfg.get('_scope_')) as registry:
        kind = registry.get(cfg['type']) if isinstance(cfg['type'], str) else cfg['type']
    return not inspect.isclass(kind) or issubclass(kind, BaseModel)


def _arguments(cfg: dict, role: str) -> set[str]:
    cls = ROOT_MODELS.get(cfg['type']) if isinstance(cfg['type'], str) else cfg['type']
    is_timm = type_name(cfg) == 'TimmClassifier'
    form = 'timm' if is_timm else 'hf' if type_name(cfg) == 'HuggingFaceModel' else 'type'
    names = {*known_keys(form, role), *(TIMM_OPTIONS if is_timm else ())}
    if cls is not None:
        names |= {name for name, parameter in inspect.signature(cls).parameters.items()
                  if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)}
    return names


def _keep_plain_keys(model: nn.Module) -> None:
    """Takes mmpretrain's renaming hooks off a wrapped timm or Hugging Face model.

    They drop the prefix ``model.`` from the state dict, but only while the wrapper is the outermost
    module; below a distiller the state dict would not load again.
    """
    for hooks in (model._state_dict_hooks, model._load_state_dict_pre_hooks):
        for key, hook in list(hooks.items()):
            function = getattr(hook, 'hook', hook)
            if getattr(function, '__name__', '') in ('_remove_state_dict_prefix', '_add_state_dict_prefix'):
                del hooks[key]


def _initialise_teacher(model: nn.Module, spec: ModelSpec) -> None:
    """A teacher without a checkpoint keeps timm's weights, or takes those of its config's init_cfg."""
    if spec.pretrained:
        return
    with unchanged_generators():
        if hasattr(model, 'init_weights'):
            model.init_weights()
    if not _has_pretrained_init(spec.cfg):
        print_log('The teacher has no checkpoint: it teaches from random weights. '
                  "Set teacher=dict(…, checkpoint='…').", logger='current', level=30)


def _has_pretrained_init(cfg: object) -> bool:
    if isinstance(cfg, dict):
        if type_name(cfg) == 'Pretrained' or isinstance(cfg.get('pretrained'), str):  # mmpretrain's, mmdet's, mmseg's
            return True
        return any(_has_pretrained_init(value) for value in cfg.values())
    return isinstance(cfg, list | tuple) and any(_has_pretrained_init(item) for item in cfg)


def _check_timm_name(name: str | None, role: str) -> None:
    import timm

    if name is None or not timm.is_model(name):
        close = nearest(str(name), timm.list_models()).split(' Valid:')[0]
        raise UserError(f'{role} expects the name of a timm model, got {name!r}. {close}')
