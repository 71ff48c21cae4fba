"""The recipe of a call: everything but the folder it is written to."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import ConfigDict

from mmkd.distillers.models import read_spec
from mmkd.distillers.teacher import named_teachers
from mmkd.utils import UserError
from mmkd.utils.building.build import type_name

from .methods import (
    LABEL_FREE_DEFAULT,
    LABELLED_DEFAULT,
    Method,
    fitted,
    methods_between_other_classes,
    read_method,
)
from .models import Known, has_weights, look_at
from .preprocessing import preprocessor_of
from .settings import BEST_TERMS, Training, loader, pipelines, runtime, schedule
from .sources import Source

# Entries of a data set's config that are of the data; the others are of a training, for which this call has its own.
OF_DATA = ('custom_imports', 'train_dataloader', 'val_dataloader', 'val_evaluator', 'test_dataloader', 'test_evaluator')


@dataclass
class Recipe:
    """What is trained.

    Args:
        config: The sections of the config, in the order in which they are read.
        method: The method.
        best: The figure by which the best checkpoint is kept; None where there is nothing to validate on.
        notes: What was decided, for the user to read.
    """
    config: dict[str, Any]
    method: Method
    best: str | None
    notes: list[str] = field(default_factory=list)


def make_recipe(student: dict, teacher: dict, source: Source, bank: Source | None, method: str | Mapping | None,
                training: Training, augment: bool, mixed: bool) -> Recipe:
    """Fits a method to models and data.

    Args:
        student: What a recipe says of the student.
        teacher: The same of the teacher.
        source: The data.
        bank: A labelled set to validate features on, where the data have no classes.
        method: A recipe's name, a dict of terms, or None for a default.
        training: The lengths.
        augment: Whether the training pictures are cropped and flipped at random.
        mixed: Whether to train in mixed precision.

    Raises:
        UserError: The method asks for labels, classes or taps that there are not.
    """
    classes = len(source.classes) or None
    ours = look_at(student, 'student', training.size, classes, source.rgb)
    teachers = named_teachers(teacher)
    theirs = {name: look_at(cfg, 'teacher', training.size) for name, cfg in teachers.items() if 'ema' not in cfg}
    single = next(iter(theirs.values())) if len(teachers) == 1 and theirs else None
    chosen, note = _choose(method, source, ours, single)
    _check_method(chosen, source, ours, theirs)
    if chosen.named and single is None:
        raise UserError('method expects a dict of terms where there are several teachers, got '
                        f"{chosen.name!r}. Write the terms, with teacher taps such as '{next(iter(teachers))}:logits'.")
    notes = [*source.notes, note]
    if not ours.given and not has_weights(student):
        notes.append('the student starts from random weights')
    if not source.labelled and ours.classes:
        notes.append(f'the student keeps a classifier of {ours.classes} classes, which is not trained: use its '
                     'features')
    terms = chosen.terms if single is None else fitted(chosen, ours.taps, single.taps, source.images, training.epochs)
    model = dict(type='mmkd.Distiller', student=_with_loss(ours, chosen), teacher=teacher, input_size=training.size,
                 task_weight=chosen.task_weight if source.labelled else 0.0, terms=terms)
    if source.config is not None:
        return _of_config(source, model, ours, chosen, training, mixed, notes)
    config, best = _of_images(source, bank, ours, chosen, training, augment)
    steps = training.steps(source.images)
    hooks = chosen.hooks if source.labelled else []
    return Recipe(dict(model=model) | config | schedule(training, source.images, mixed)
                  | runtime(training, 'mmpretrain', best, hooks, steps), chosen, best, notes)


def _choose(method: str | Mapping | None, source: Source, student: Known, teacher: Known | None) -> tuple[Method, str]:
    if method is not None:
        chosen = read_method(method)
        return chosen, f'method: {chosen.name}'
    same = teacher is not None and source.labelled and student.classes is not None and (
        teacher.classes == student.classes) and bool(source.classes)
    name = LABELLED_DEFAULT if same else LABEL_FREE_DEFAULT
    why = "the teacher has the student's classes" if same else (
        'the data have no classes' if not source.labelled else 'it compares features, not classes')
    return read_method(name), f'method: {name} (none was given; {why})'


def _check_method(method: Method, source: Source, student: Known, teachers: dict[str, Known]) -> None:
    """Checks that there are the labels and the classes that a method compares."""
    needing = method.needs_labels()
    if not source.labelled and (needing or (method.sigmoid and method.task_weight)):
        works = ', '.join(methods_between_other_classes(labels=False))
        raise UserError(f'the method {method.name} expects labels, got data without classes. Take one of {works}.')
    comparing = method.compares_classes()
    for teacher in teachers.values():
        if comparing and source.config is None and teacher.classes != student.classes:
            works = ', '.join(methods_between_other_classes(source.labelled))
            raise UserError(f'the method {method.name} compares classes and expects a teacher with the '
                            f'{student.classes} of the student, got one with {teacher.classes or "none"}. Take a '
                            f'method on features ({works}), or a teacher of these classes: train one with mmkd train.')


def _with_loss(student: Known, method: Method) -> dict:
    """The student, with the binary cross-entropy where the method belongs to it."""
    if not method.sigmoid:
        return student.cfg
    if 'config' in student.cfg:
        return student.cfg | dict(options=(student.cfg.get('options') or {}) | {
            'model.head.loss.use_sigmoid': True})
    if 'timm' in student.cfg or type_name(student.cfg) == 'TimmClassifier':
        return student.cfg | dict(loss=dict(type='CrossEntropyLoss', use_sigmoid=True))
    raise UserError(f'the method {method.name} expects a student whose own loss can be the binary cross-entropy, got '
                    'another. Take a student by name, or another method.')


def _of_images(source: Source, bank: Source | None, student: Known, method: Method, training: Training,
               augment: bool) -> tuple[dict[str, Any], str | None]:
    """Preprocessor, pipelines, loaders and validation of a classifier's data."""
    train, val = pipelines(training.size)
    config: dict[str, Any] = dict(
        data_preprocessor=preprocessor_of(source, student, method),
        train_pipeline=train if augment else val, test_pipeline=val,
        train_dataloader=loader(dict(source.train, pipeline=train if augment else val), training, True, source.images))
    checked = bank or source
    if checked.val is None:
        return config | dict(val_cfg=None, val_dataloader=None, val_evaluator=None), None
    config['val_dataloader'] = loader(dict(checked.val, pipeline=val), training, False, 0)
    if bank is not None:
        return config | dict(val_evaluator=[], val_cfg=dict(
            type='mmkd.FeatureValLoop', neighbours=min(20, bank.images), bank_dataloader=loader(
                dict(bank.train, pipeline=val), training, False, 0))), 'knn/top1'
    if not source.labelled:
        return config | dict(val_evaluator=[], val_cfg=dict(type='mmkd.TermLossValLoop')), BEST_TERMS
    return config | dict(
        val_evaluator=dict(type='Accuracy', topk=(1, )), val_cfg=dict(), test_dataloader=config['val_dataloader'],
        test_evaluator=dict(type='Accuracy', topk=(1, )), test_cfg=dict()), 'accuracy/top1'


def _of_config(source: Source, model: dict, student: Known, method: Method, training: Training, mixed: bool,
               notes: list[str]) -> Recipe:
    """What a data set's config says of the data, with this call's model and schedule."""
    own, scope = source.config, _scope(model['student'])
    kept = {key: ConfigDict(dict(value=own[key])).to_dict()['value'] for key in OF_DATA if own.get(key)}
    if 'test_dataloader' not in kept or 'test_evaluator' not in kept:
        kept |= {f'test_{part}': kept[f'val_{part}'] for part in ('dataloader', 'evaluator')}
    if scope == 'mmpretrain':  # detectors and segmentors bring their own
        kept['data_preprocessor'] = preprocessor_of(source, student, method)
    elif method.augments or method.sigmoid:
        raise UserError(f'the method {method.name} expects a classifier as student, got a model of {scope}. Take '
                        'another method.')
    config = dict(model=model) | kept | dict(val_cfg=dict(type='ValLoop'), test_cfg=dict(type='TestLoop'))
    steps = schedule(training, source.images, mixed)
    steps['train_cfg'] = dict(type='EpochBasedTrainLoop', **{
        key: value for key, value in steps['train_cfg'].items() if key != 'by_epoch'})
    return Recipe(config | steps | runtime(training, scope, None, method.hooks, 50), method, None, notes)


def _scope(student: dict) -> str:
    """The package of a student's config."""
    cfg = read_spec({key: value for key, value in student.items() if key != 'checkpoint'}, 'student').cfg
    scope = cfg.get('_scope_') or str(cfg.get('type', '')).partition('.')[0]
    return scope if scope in ('mmdet', 'mmseg') else 'mmpretrain'
