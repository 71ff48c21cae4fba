"""Methods by name: the recipes of the quick start, with their taps moved to other models."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict
from mmkd import losses
from torch import nn

from mmkd.distillers.taps import stage_names
from mmkd.utils import UserError, nearest
from mmkd.utils.building.build import type_name
from mmkd.utils.configs.finding import config_root, load_config
from mmkd.utils.configs.options import nested
from mmkd.utils.given import Given, given

FOLDER = 'quickstart/methods'
LABELLED_DEFAULT, LABEL_FREE_DEFAULT = 'nkd', 'fd'
STAGES = ('stage1', 'stage2', 'stage3')  # of the quick start's models
EQUAL_MAPS = ('MGDLoss', 'DiffKDLoss')  # whose maps have to have one size
CLASSIFIER_READERS = ('SRRLLoss', )  # beside those that read the teacher's logits


@dataclass
class Method:
    """What a method asks for.

    Args:
        name: What it is called in messages.
        terms: The distiller's terms, with the taps of the quick start's models or as the user gave them.
        task_weight: Factor of the student's own loss.
        hooks: Further hooks.
        augments: Batch augmentations such as mixup.
        sigmoid: Whether the student's own loss is the binary cross-entropy.
        named: Whether it is one of the recipes.
    """
    name: str
    terms: dict[str, dict]
    task_weight: float = 1.0
    hooks: list[dict] = field(default_factory=list)
    augments: dict | None = None
    sigmoid: bool = False
    named: bool = True

    def needs_labels(self) -> list[str]:
        """The terms whose losses cannot be computed without labels."""
        return [name for name, term in self.terms.items() if _needs_target(term)]

    def compares_classes(self) -> list[str]:
        """The terms that read the teacher's logits or classifier, and so ask for the student's classes."""
        return [name for name, term in self.terms.items()
                if type_name(term.get('loss')) in CLASSIFIER_READERS
                or any(tap.rpartition(':')[2] == 'logits' for tap in _taps(term.get('teacher')))]


def method_names() -> list[str]:
    """All recipes that are methods."""
    return sorted(path.stem for path in Path(config_root(), FOLDER).glob('*.py'))


def read_method(method: str | Mapping) -> Method:
    """Reads a recipe of ``configs/quickstart/methods``, or takes a dict of terms.

    Raises:
        UserError: There is no such method, or the dict is none of terms.
    """
    if isinstance(method, Mapping):
        if not method or not all(isinstance(term, Mapping) and 'loss' in term for term in method.values()):
            raise UserError(f'method expects a name or a dict of terms such as dict(kd=dict(loss=…, student=…, '
                            f'teacher=…)), got {method!r}. Write it so.')
        terms = {name: {key: _kept(value, name) for key, value in term.items()} for name, term in method.items()}
        return Method(', '.join(method), terms, named=False)
    if not isinstance(method, str) or method not in method_names():
        raise UserError(f'method expects the name of one or a dict of terms, got {method!r}. '
                        f'{nearest(str(method), method_names())}')
    config = load_config(f'mmkd::{FOLDER}/{method}.py')
    model = ConfigDict(config.model).to_dict()
    hooks = [dict(hook) for hook in config.custom_hooks if type_name(hook) != 'EpochSeedHook']
    head = nested(model['student'].get('options') or {}).get('model', {}).get('head', {})
    return Method(method, model['terms'], model.get('task_weight', 1.0), hooks,
                  config.get('data_preprocessor', {}).get('batch_augments'),
                  sigmoid=bool(head.get('loss', {}).get('use_sigmoid')))


def _kept(value: object, term: str) -> object:
    """A loss or connector that is a module, in a form in which a config can be copied and written."""
    if isinstance(value, list):
        return [_kept(each, term) for each in value]
    return Given(value, f'a module of the term {term} that mmkd.distill was given') if isinstance(
        value, nn.Module) else value


def methods_between_other_classes(labels: bool) -> list[str]:
    """The methods that work where the teacher's classes are not the student's, or where there are no labels."""
    found = (read_method(name) for name in method_names())
    return [method.name for method in found if not method.compares_classes() and not method.sigmoid
            and (labels or not method.needs_labels())]


def fitted(method: Method, student: Mapping[str, Any], teacher: Mapping[str, Any], images: int,
           epochs: int) -> dict[str, dict]:
    """Moves a recipe's taps from the quick start's models to others: stages by their place from the last one.

    Weights of losses that sum over a map follow its size, as the papers' do; see :func:`_weight`.

    Args:
        method: The recipe.
        student: Tap to shape of the student's named taps.
        teacher: The same of the teacher.
        images: How many there are to train on.
        epochs: How long the training is; a weight's warm-up takes at most a third of it.

    Returns:
        The terms. Those of a dict of the user's are as they were.

    Raises:
        UserError: A model has no stages or no classifier where the method needs some.
    """
    if not method.named:
        return method.terms
    terms = {name: _fit(name, term, student, teacher, images) for name, term in method.terms.items()}
    for term in terms.values():
        if isinstance(term.get('weight'), Mapping):
            term['weight'] = {key: min(value, epochs // 3) if key == 'warmup' else value
                              for key, value in term['weight'].items()}
    return terms


def _fit(name: str, term: dict, student: Mapping, teacher: Mapping, images: int) -> dict:
    term = dict(term, loss=dict(term['loss']))
    sides = {role: (_taps(term[role]), taps) for role, taps in (('student', student), ('teacher', teacher))}
    paired = len(sides['student'][0]) == len(sides['teacher'][0])
    keep = [all(_moved(tap[number], known) is not None for tap, known in sides.values())
            if paired else _moved(sides['student'][0][number], student) is not None
            for number in range(len(sides['student'][0]))]
    if not any(keep):
        keep = [True] * len(keep)  # so that the missing tap is named
    for role, (taps, known) in sides.items():
        chosen = [tap for tap, kept in zip(taps, keep) if kept] if role == 'student' or paired else taps
        moved = [_moved_or_error(role, name, tap, known) for tap in chosen]
        term[role] = moved[0] if isinstance(term[role], str) else moved
    if isinstance(term.get('connector'), list):
        term['connector'] = [each for each, kept in zip(term['connector'], keep, strict=True) if kept]
    loss = type_name(term['loss'])
    if loss in EQUAL_MAPS and term['student'].startswith('stage'):
        term['student'], term['teacher'] = _equal_maps(name, student, teacher)
    if loss == 'CRDLoss':
        term['loss'].update(num_samples=images, negatives=min(term['loss'].get('negatives', 32), max(images - 1, 1)))
    if loss == 'ScaleKDLoss':
        term['loss'].update(num_heads=[_heads(teacher[tap][1]) for tap in term['teacher']])
    return term | _weight(loss, term, teacher)


def _weight(loss: str, term: dict, teacher: Mapping) -> dict:
    """AT's and MGD's weights, which the recipes state for maps of 2×2 at the end: brought back to the papers' per size.

    AT is a mean over the positions of maps whose squares sum to 1, MGD a sum over all elements of an image.
    """
    last = _taps(term['teacher'])[-1]
    shape = teacher.get(last) or ()
    if len(shape) != 4 or not isinstance(term.get('weight'), int | float):
        return {}
    channels, positions = shape[1], shape[2] * shape[3]
    if loss == 'ATLoss':
        return dict(weight=float(f'{term["weight"] * positions / 4:.3g}'))
    return dict(weight=float(f'{term["weight"] * 1024 / (channels * positions):.3g}')) if loss == 'MGDLoss' else {}


def _moved(tap: str, known: Mapping) -> str | None:
    """A tap of the quick start's models in another one; None if that has none there."""
    if tap not in STAGES:
        return tap if tap in known else None
    stages = stage_names(known)
    place = STAGES.index(tap) - len(STAGES)
    return stages[place] if -place <= len(stages) else None


def _moved_or_error(role: str, term: str, tap: str, known: Mapping) -> str:
    moved = _moved(tap, known)
    if moved is None:
        what = 'stages' if tap in STAGES else f'the tap {tap!r}'
        raise UserError(f'the method expects a {role} with {what} for its term {term!r}, got one with the taps '
                        f'{", ".join(known) or "none"}. Give a dict of terms as method, whose taps may be dotted paths '
                        'of modules.')
    return moved


def _equal_maps(term: str, student: Mapping, teacher: Mapping) -> tuple[str, str]:
    """The last stages of both models whose maps have one size."""
    for ours in reversed(stage_names(student)):
        for theirs in reversed(stage_names(teacher)):
            if student[ours][2:] == teacher[theirs][2:]:
                return ours, theirs
    raise UserError(f'the method expects a student and a teacher with a stage of maps of one size for its term '
                    f'{term!r}, got none. Set input_size of the teacher, as in dict(timm=…, input_size=…), or take fd '
                    'or at, which compare maps of any size.')


def _heads(channels: int) -> int:
    return next(heads for heads in (8, 4, 2, 1) if channels % heads == 0)


def _taps(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [tap for tap in value or () if isinstance(tap, str)]


def _needs_target(term: Mapping) -> bool:
    loss = term.get('loss')
    kind = getattr(losses, type_name(loss), None) if isinstance(loss, Mapping) else given(loss)
    return bool(getattr(kind, 'needs_target', False))

