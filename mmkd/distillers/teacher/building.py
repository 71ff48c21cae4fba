"""Building the teachers of a recipe: one, several by name, or the student's running average."""
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from mmengine.logging import print_log
from torch import nn

from mmkd.layers.running_average import RunningAverage
from mmkd.records import Reader
from mmkd.utils import UserError, nearest
from mmkd.utils.building.signatures import check_type
from mmkd.utils.randomness import unchanged_generators
from mmkd.zoo.checkpoint_meta import read_meta

from ..inputs import (
    InputAdapter,
    as_size,
    fixed_input_size,
    normalisation,
    padding_of,
    stated_normalisation,
    teacher_normalisation,
)
from ..models import (
    FORMS,
    TEACHER_OPTIONS,
    ModelSpec,
    build_without_weights,
    is_model_name,
    load_weights_of,
    named_model,
    read_spec,
    reads_file,
)
from .cached import CachedTeacher
from .teacher import Teacher, Teachers

SINGLE = 'teacher'  # the name of a teacher that the recipe gives none


def teacher_role(name: str) -> str:
    """What a teacher is called in messages: ``'teacher'``, or ``"teacher 'name'"`` of several."""
    return SINGLE if name == SINGLE else f'teacher {name!r}'


def named_teachers(cfg: dict | str | nn.Module) -> dict[str, dict]:
    """Reads a recipe's ``teacher``: name to config of each; a single one has the name ``'teacher'``.

    Raises:
        UserError: It is no dict, no module and no name of a model.
    """
    if isinstance(cfg, nn.Module):
        return {SINGLE: dict(module=cfg)}
    if isinstance(cfg, str):
        return {SINGLE: named_model(cfg, SINGLE)}
    if not isinstance(cfg, dict):
        raise UserError(f'teacher expects a dict, got {cfg!r}.')
    forms = {*FORMS, 'ema', 'cache'}
    named = cfg if forms & set(cfg) else {name: _as_dict(name, value, len(cfg)) for name, value in cfg.items()}
    several = (cfg and not forms & set(cfg) and all(isinstance(value, dict) for value in named.values())
               and any(forms & set(value) for value in named.values()))
    return named if several else {SINGLE: cfg}


def _as_dict(name: str, value: object, count: int) -> object:
    """One of so many teachers, of a module or a name; a single name is rather the value of a misspelt key."""
    if isinstance(value, nn.Module):
        return dict(module=value)
    return named_model(value, teacher_role(name)) if count > 1 and is_model_name(value) else value


def split_tap(tap: str, teachers: Iterable[str]) -> tuple[str, str]:
    """Splits a teacher tap into the teacher's name and the tap.

    Args:
        tap: ``'name:tap'``, or the tap alone where there is one teacher.
        teachers: The names of all.

    Raises:
        UserError: There are several teachers and it names none of them.
    """
    names = list(teachers)
    name, _, own = tap.partition(':')
    if own and name in names:
        return name, own
    if len(names) == 1:
        return names[0], tap
    raise UserError(f"a teacher tap expects the form 'name:tap' where there are several teachers, got {tap!r}. "
                    f'{nearest(name, names)}')


def build_teachers(cfg: dict | str | nn.Module, taps: Iterable[str], student: nn.Module,
                   preprocessor: nn.Module | None, loads_rgb: bool = False) -> tuple[Teachers, nn.ModuleDict]:
    """Builds all teachers that a recipe names.

    Args:
        cfg: A teacher, or a dict of names to teachers.
        taps: The teacher taps of all terms.
        student: The student.
        preprocessor: What says how the batches are normalised: the student's; None where nothing does.
        loads_rgb: Whether the images come in RGB; see :class:`~mmkd.distillers.Distiller`.

    Returns:
        Name to teacher, and name to running average of the student for those that are one.

    Raises:
        UserError: A teacher cannot be built, no tap reads it, or a tap names none.
    """
    configs = named_teachers(cfg)
    wanted: dict[str, list[str]] = {name: [] for name in configs}
    for tap in taps:
        name, own = split_tap(tap, configs)
        wanted[name].append(own)
    teachers, averages = Teachers(), nn.ModuleDict()
    for name, config in configs.items():
        if not wanted[name]:
            raise UserError(f'teacher {name!r} expects a term that reads it, got none. Remove it, or write a '
                            f"teacher tap such as '{name}:logits'.")
        if isinstance(config, dict) and 'ema' in config:
            # Checkpoints have that of a teacher without a name under "average".
            averages[name if name in cfg else 'average'] = average = _average(config, student)
            teachers[name] = Teacher(average.module, wanted[name], InputAdapter(None, None))
        elif isinstance(config, dict) and 'cache' in config:
            teachers[name] = _cached(config, name, wanted[name], student, preprocessor, loads_rgb)
        else:
            teachers[name] = _build(config, teacher_role(name), wanted[name], student, preprocessor,
                                    loads_rgb)
    return teachers, averages


def _average(cfg: dict, student: nn.Module) -> RunningAverage:
    options, valid = cfg['ema'], ('momentum', 'interval')
    if set(cfg) != {'ema'} or not isinstance(options, dict):
        raise UserError(f'teacher expects ema=dict(momentum=…) and nothing else beside it, got {cfg!r}.')
    for key in options:
        if key not in valid:
            raise UserError(f'teacher expects ema=dict(momentum=…), got {key!r} in it. {nearest(key, valid)}')
    check_type('teacher', 'ema momentum', options.get('momentum', 2e-4), float)
    if not 0 < options.get('momentum', 2e-4) < 1:
        raise UserError(f'teacher expects an ema with a momentum in (0, 1), got {options["momentum"]}.')
    return RunningAverage(student, **options)


def _cached(cfg: dict, name: str, taps: list[str], student: nn.Module,
            preprocessor: nn.Module | None, loads_rgb: bool) -> CachedTeacher:
    role, own = teacher_role(name), {key: value for key, value in cfg.items() if key != 'cache'}
    check_type(role, 'cache', cfg['cache'], str | Path)
    if own and not set(FORMS) & set(own):
        raise UserError(f'{role} expects cache alone, or beside what says which model it is, got it beside '
                        f'{", ".join(own)}. {nearest(next(iter(own)), FORMS)}')
    build = partial(_build, own, role, taps, student, preprocessor, loads_rgb) if own else None
    return CachedTeacher(name, role, Reader(cfg['cache']), taps, build)


def _build(cfg: dict, role: str, taps: list[str], student: nn.Module, preprocessor: nn.Module | None,
           loads_rgb: bool) -> Teacher:
    options = {key: cfg[key] for key in TEACHER_OPTIONS if key in cfg}
    check_type(role, 'dtype', options.get('dtype'), str | None)
    check_type(role, 'compile', options.get('compile', False), bool | dict)
    check_type(role, 'channels_last', options.get('channels_last', False), bool)
    size = options.pop('input_size', None)
    spec = read_spec({key: value for key, value in cfg.items() if key not in TEACHER_OPTIONS}, role)
    with unchanged_generators():  # what the terms draw next is the same if a cache stands for the model
        model = build_without_weights(spec, role)
    if {id(p) for p in model.parameters()} & {id(p) for p in student.parameters()}:
        raise UserError(f'{role} expects parameters of its own, got some of the student, which freezing it would '
                        'freeze. Hand over a copy.deepcopy.')
    if not reads_file(spec):
        load_weights_of(model, spec, role)
    theirs = teacher_normalisation(model, spec.cfg, loads_rgb)
    size = as_size(size) if size is not None else fixed_input_size(model, spec.cfg)
    ours = None if preprocessor is None else normalisation(preprocessor)
    if preprocessor is None and theirs is not None:
        print_log(f"The {role} gets the student's images as they are, since nothing says how they are normalised. Set "
                  'data_preprocessor of the distiller if not as the teacher wants them.', logger='current')
    adapter = InputAdapter(ours, theirs, size, padding_of(getattr(model, 'data_preprocessor', None)))
    if adapter.scale is not None or adapter.flip or size:
        print_log(f"The {role}'s input is adapted: normalisation {theirs}, size {size or 'as the student'}.",
                  logger='current')
    load = partial(_load, model, spec, role, adapter, loads_rgb) if reads_file(spec) else None
    return Teacher(model, taps, adapter, load=load, **options)


def _load(model: nn.Module, spec: ModelSpec, role: str, adapter: InputAdapter, loads_rgb: bool) -> None:
    load_weights_of(model, spec, role)
    take_stated(adapter, spec, role, loads_rgb)


def take_stated(adapter: InputAdapter, spec: ModelSpec, role: str, loads_rgb: bool) -> None:
    """Has images normalised as in the run that wrote a teacher's checkpoint, if the recipe says nothing of it.

    Args:
        adapter: Brings the student's batch into the teacher's form; changed in place.
        spec: The teacher as the recipe names it.
        role: What messages call it.
        loads_rgb: Whether the images come in RGB.
    """
    told = 'module' in spec.cfg or spec.cfg.get('data_preprocessor') is not None
    if adapter.student is None or spec.checkpoint is None or told:
        return
    meta = read_meta(str(spec.checkpoint)).get('meta') or {}
    found = stated_normalisation(meta.get('cfg'), loads_rgb)
    if found is not None:
        adapter.normalise_as(found)
        print_log(f"The {role}'s images are normalised as its checkpoint {spec.checkpoint} says: {found}.",
                  logger='current')
