"""Student and teacher of a call: what a recipe says of them, their classes, and what can be read in them."""
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmkd.datasets.configured import gives_rgb
from mmkd.distillers import Taps
from mmkd.distillers.inputs import as_size, fixed_input_size, image_channels, teacher_normalisation
from mmkd.distillers.models import (
    TEACHER_OPTIONS,
    ModelSpec,
    build_without_weights,
    device_of,
    fake_samples,
    forward_mode,
    forward_of,
    named_model,
    read_spec,
)
from mmkd.distillers.models.dry_run import images_fit
from mmkd.distillers.models.mixing import without_augments
from mmkd.distillers.taps import named_locations
from mmkd.engine.models import class_count, has_no_classifier
from mmkd.recipes.weightless import brings_weights, strip_weights
from mmkd.utils import UserError
from mmkd.utils.building.build import type_name
from mmkd.utils.checkpoints.reading import check_fit
from mmkd.utils.configs.finding import load_config
from mmkd.utils.given import Given
from mmkd.utils.randomness import unchanged_generators
from mmkd.zoo import load_weights, model_index

IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])  # of red, green, blue


@dataclass
class Known:
    """What is known of a model before it is trained.

    Args:
        cfg: What a recipe says of it.
        taps: Tap to shape of those with a name of their own, for a batch of two.
        classes: How many it tells apart, if that is known.
        normalisation: Mean, standard deviation and channel order that a student is given; its own, else ImageNet's.
            None for a teacher, and for images that are neither grey nor in colours.
        given: Whether it is a module that only this process has.
    """
    cfg: dict
    taps: dict[str, tuple[int, ...]]
    classes: int | None
    normalisation: dict | None
    given: bool


def student_of(value: Any, classes: int | None, pretrained: bool) -> dict:
    """What a recipe says of a student, with the number of classes of the data.

    Args:
        value: A name, a dict of a recipe, or a module.
        classes: The number; None leaves the student's head as it is.
        pretrained: Whether one given by name starts from published weights.

    Returns:
        The dict.

    Raises:
        UserError: It is none of these.
    """
    spec = without_augments(_as_dict(value, 'student', pretrained))
    if classes is None or 'module' in spec:
        return spec
    if 'timm' in spec or 'hf' in spec or type_name(spec) in ('TimmClassifier', 'HuggingFaceModel'):
        return spec | dict(num_classes=classes)
    if 'config' not in spec:
        head = spec.get('head')
        return spec | dict(head=head | dict(num_classes=classes)) if isinstance(head, Mapping) else spec
    options = dict(spec.get('options') or {})
    model = read_spec(dict(config=spec['config'], options=options), 'student').cfg
    if type_name(model) == 'TimmClassifier':
        return spec | dict(options=options | {'model.num_classes': classes})
    if not isinstance(model.get('head'), Mapping) or model['head'].get('num_classes') == classes:
        return spec
    options['model.head.num_classes'] = classes
    if spec.get('checkpoint') in model_index():  # whose classifier has other classes
        name = spec.pop('checkpoint')
        options['model.backbone.init_cfg'] = dict(type='Pretrained', checkpoint=name, prefix='backbone.')
    return spec | dict(options=options)


def has_weights(cfg: dict) -> bool:
    """Whether a model that a recipe names comes with weights to start from."""
    spec = read_spec({key: value for key, value in cfg.items() if key not in TEACHER_OPTIONS}, 'student')
    return spec.pretrained or brings_weights(spec)


def teacher_of(value: Any) -> dict:
    """What a recipe says of a teacher, or of several by name.

    Raises:
        UserError: It has no weights to teach from, or is none of what a recipe takes.
    """
    spec = _as_dict(value, 'teacher', True)
    if 'cache' in spec or any(isinstance(each, Mapping) and 'cache' in each for each in spec.values()):
        raise UserError('teacher expects a model that answers, got a cache, which belongs to the views of a recipe. '
                        'Train that recipe: mmkd train RECIPE --cfg-options model.teacher.cache=FOLDER.')
    if isinstance(value, str) and 'config' in spec and 'checkpoint' not in spec:
        raise UserError(f"teacher expects a model with weights, got {value!r}, a config without any. Give "
                        "dict(config='…', checkpoint='…'), on the command line --teacher-checkpoint FILE; a teacher of "
                        'your own classes is trained by mmkd train.')
    return spec


def _as_dict(value: Any, role: str, pretrained: bool) -> dict:
    if isinstance(value, str):
        return named_model(value, role, pretrained)
    if isinstance(value, nn.Module):
        return dict(module=Given(value, f'the {role} that mmkd.distill was given'))
    if not isinstance(value, Mapping):
        raise UserError(f'{role} expects a name such as timm:resnet50, a dict of a recipe or an nn.Module, got '
                        f'{value!r}. Write one of these.')
    return {key: Given(each, f'the {role} that mmkd.distill was given') if isinstance(each, nn.Module) else each
            for key, each in value.items()}


def look_at(cfg: dict, role: str, size: int, classes: int | None = None, loads_rgb: bool = False) -> Known:
    """Builds a model without its weights, and finds out what a method has to know of it.

    Args:
        cfg: What a recipe says of it.
        role: ``'student'`` or ``'teacher'``.
        size: Side of the images.
        classes: How many the student has to have.
        loads_rgb: Whether the data come in RGB, and not in BGR.

    Raises:
        UserError: It cannot be built, its weights cannot be read or are another model's, it cannot take such images, or
            is a module with another number of classes.
    """
    own = {key: value for key, value in cfg.items() if key not in (*TEACHER_OPTIONS, 'checkpoint')}
    spec = read_spec(own, role)
    is_given = 'module' in spec.cfg
    model = spec.cfg['module'] if is_given else _without_memory(spec, role)
    if cfg.get('checkpoint') is not None and not is_given:
        weights = load_weights(str(cfg['checkpoint']), model.state_dict())
        check_fit(model, weights, f'{role} {type(model).__name__} from {cfg["checkpoint"]}')
    fixed = fixed_input_size(model, spec.cfg)
    if role == 'student' and fixed is not None and fixed != as_size(size):
        raise UserError(f'the student takes images of {fixed[0]}×{fixed[1]} only, got {size}. Set size={fixed[0]} '
                        f'(--size {fixed[0]}), or give it img_size: dict(timm=…, img_size={size}).')
    shape = fixed or as_size(cfg.get('input_size') or size)
    try:
        taps = _shapes(model, role, shape)
    except Exception:
        if is_given:
            raise
        taps = _shapes(_built(spec, role), role, shape)  # what has no implementation without memory has one on the CPU
    count = class_count(model)
    if count is None and not has_no_classifier(model) and 'pre_logits' in taps and len(taps.get('logits', ())) == 2:
        count = taps['logits'][1]
    if is_given and classes is not None and count != classes:
        raise UserError(f'the student expects {classes} classes, as the data have, got a {type(model).__name__} with '
                        f'{count or "no classifier that was found"}. Build it with {classes} outputs.')
    normalise = _normalisation(model, spec, cfg.get('config'), loads_rgb) if role == 'student' else None
    return Known(cfg, taps, count, normalise, is_given)


def _built(spec: ModelSpec, role: str) -> nn.Module:
    with unchanged_generators():
        return build_without_weights(ModelSpec(strip_weights(spec.cfg), None), role)


def _without_memory(spec: ModelSpec, role: str) -> nn.Module:
    """The model on the meta device, where it can be built there."""
    try:
        with torch.device('meta'):
            return _built(spec, role)
    except UserError:
        raise
    except Exception:  # whatever a model does when it is built, such as asking for a number of its weights
        return _built(spec, role)


@torch.no_grad()
def _shapes(model: nn.Module, role: str, size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """The shape that each tap with a name of its own reads in two images."""
    names = [name for name in named_locations(model) if name != 'output']
    if not names:
        return {}
    taps, modes, device = Taps(model, names), [(each, each.training) for each in model.modules()], device_of(model)
    model.eval()
    with unchanged_generators():
        images = torch.rand(2, image_channels(model), *size, device=device)
        try:
            with images_fit(role, images):
                _, read = taps.read(forward_of(model), images, fake_samples(model, 2, size), mode=forward_mode(model))
        finally:
            taps.close()
            for each, mode in modes:
                each.training = mode
    return {name: tuple(read[name].shape) for name in names if isinstance(read.get(name), Tensor)}


def _normalisation(model: nn.Module, spec: ModelSpec, config: str | None, loads_rgb: bool) -> dict | None:
    """As a data preprocessor takes it, in plain numbers."""
    stated = spec.cfg.get('data_preprocessor') or {}
    told = stated.get('mean') is not None
    found = stated if told else teacher_normalisation(model, spec.cfg)
    if found is not None and torch.as_tensor(found['std']).is_meta:
        found = teacher_normalisation(_built(spec, 'student'), spec.cfg)
    if found is None or float(torch.as_tensor(found['std']).max()) <= 1:  # it leaves pixels as they are
        return _of_imagenet(image_channels(model), not loads_rgb)
    to_rgb = bool(found.get('to_rgb', found.get('bgr_to_rgb', False)))
    return dict(mean=_numbers(found['mean']), std=_numbers(found['std']),
                to_rgb=to_rgb != (_gave_rgb(config if told else None, to_rgb, loads_rgb) != loads_rgb))


def _of_imagenet(channels: int, to_rgb: bool) -> dict | None:
    if channels not in (1, 3):
        return None
    return dict({key: values if channels == 3 else [round(sum(values) / 3, 4)] for key, values in IMAGENET.items()},
                to_rgb=to_rgb)


def _gave_rgb(config: str | None, to_rgb: bool, loads_rgb: bool) -> bool:
    """Whether the images came in RGB where a student's ``to_rgb`` was written; see ``loads_rgb``.

    Where its config has no data, nobody turns RGB around: ``to_rgb=True`` is said of BGR, and False of either.
    """
    own = load_config(config) if config is not None else {}
    return gives_rgb(own, 'train') if own.get('train_dataloader') else loads_rgb and not to_rgb


def _numbers(values: Any) -> list[float]:
    return [round(float(value), 4) for value in torch.as_tensor(values).flatten()]
