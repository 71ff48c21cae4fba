"""What a recipe mixes, mixup and cutmix, read from it and taken out of it."""
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from torch import nn

from mmkd.utils import UserError
from mmkd.utils.building.build import is_distiller, type_name
from mmkd.utils.given import given

from .building import read_spec
from .names import named_model

WRAPPED = ('TimmClassifier', 'HuggingFaceClassifier')  # whose train_cfg goes before the preprocessor's batch_augments
UNMIXED = ('BatchFixedSizePad', 'BatchResize')  # batch augmentations of detectors that draw nothing
INSTEAD = 'Let the pipeline of train_dataloader.dataset draw for each image, and set batch_augments=None'


def take_mixing(config: Config) -> tuple[dict | None, int | None]:
    """Takes the batch augmentations out of a recipe, so that the data set can mix instead.

    Args:
        config: A distillation recipe, or the config of one classifier; changed in place.

    Returns:
        ``dict(augments=…, probs=…)``, or None where nothing is mixed; and the number of classes, if the recipe has it.

    Raises:
        UserError: What draws for a whole batch cannot be drawn for single images.
    """
    model, distilled = config.model, is_distiller(config.model)
    preprocessors = [each for each in (model.get('data_preprocessor'), config.get('data_preprocessor')) if each]
    student = model['student'] if distilled else model
    if distilled:
        cfg = _student_config(student, preprocessors[0] if preprocessors else None)
    else:
        cfg = dict(model) | (dict(data_preprocessor=preprocessors[0]) if preprocessors else {})
    mixing, classes = mixing_of(cfg), _classes(cfg)
    if mixing is None:
        return None, classes
    for preprocessor in preprocessors:
        preprocessor.pop('batch_augments', None)
    if isinstance(student, str):
        student = named_model(student, 'student')
    if distilled and isinstance(student, Mapping):
        model['student'] = without_augments(student)
    elif not distilled and _augments(model.get('train_cfg')):
        model.pop('train_cfg')
    return mixing, classes


def mixing_of(cfg: Mapping) -> dict | None:
    """The batch augmentations of a model's config, as the model reads it.

    Raises:
        UserError: They are drawn for a whole batch.
    """
    preprocessor, own = cfg.get('data_preprocessor') or {}, cfg.get('train_cfg')
    if _augments(own) and (type_name(cfg) in WRAPPED or 'batch_augments' not in preprocessor):
        return dict(own)
    found = preprocessor.get('batch_augments') if isinstance(preprocessor, Mapping) else None
    if isinstance(found, list | tuple):
        drawn = [type_name(each) for each in found if type_name(each) not in UNMIXED]
        if drawn:
            raise UserError(f'replayed views expect batch_augments that draw for each image, got {", ".join(drawn)}, '
                            f'which draws for a batch. {INSTEAD}.')
        return None
    return dict(found) if found else None


def without_augments(spec: dict) -> dict:
    """Takes the batch augmentations (mixup, cutmix) of a student's own recipe out: whoever calls mixes for itself.

    They are the ``train_cfg`` of a classifier. A detector's says other things, and stays.

    Args:
        spec: What a recipe says of the student.
    """
    if 'config' not in spec:
        spec = {key: value for key, value in spec.items() if key != 'train_cfg' or not _augments(value)}
        own = spec.get('data_preprocessor')
        if isinstance(own, Mapping) and isinstance(own.get('batch_augments'), Mapping):
            spec['data_preprocessor'] = {key: value for key, value in own.items() if key != 'batch_augments'}
        return spec
    options = dict(spec.get('options') or {})
    model = read_spec(dict(config=spec['config'], options=options), 'student').cfg
    found = {}
    if _augments(model.get('train_cfg')):
        found['model.train_cfg'] = None
    if (model.get('data_preprocessor') or {}).get('batch_augments'):  # else the call's preprocessor would inherit them
        found['data_preprocessor.batch_augments'] = None
    return spec | dict(options=options | found) if found else spec


def _student_config(student: Any, preprocessor: dict | None) -> Mapping:
    spec = read_spec(student, 'student', preprocessor)
    module = spec.cfg.get('module')
    if module is None:
        return spec.cfg
    augments = getattr(getattr(given(module), 'data_preprocessor', None), 'batch_augments', None)
    if isinstance(augments, nn.Module) or augments:
        raise UserError('replayed views expect a student whose mixing the recipe names, got a module that mixes by '
                        'itself. Set its data_preprocessor.batch_augments to None, and mix with data_preprocessor='
                        'dict(batch_augments=…) of the recipe.')
    return dict(data_preprocessor=preprocessor or {})


def _classes(cfg: Mapping) -> int | None:
    for place in (cfg.get('data_preprocessor'), cfg.get('head'), cfg):
        if isinstance(place, Mapping) and isinstance(place.get('num_classes'), int):
            return place['num_classes']
    return None


def _augments(train_cfg: Any) -> bool:
    return isinstance(train_cfg, Mapping) and 'augments' in train_cfg
