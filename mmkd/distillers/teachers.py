"""Building the teachers of a recipe: one, several by name, or the student's running average."""
from functools import partial

from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import nn

from mmkd.layers.running_average import RunningAverage
from mmkd.utils import UserError, nearest
from mmkd.utils.building.signatures import check_type

from .image_form import as_size, fixed_input_size, teacher_normalisation
from .inputs import InputAdapter, normalisation
from .models import build_without_weights, load_weights_of, read_spec, reads_file
from .teacher import Teacher

FORMS = {'type', 'config', 'timm', 'ema'}


def build_teachers(cfg: dict, taps: list[str], student: BaseModel) -> tuple[dict[str, Teacher], nn.ModuleDict]:
    """Builds all teachers that a recipe names.

    Args:
        cfg: A teacher, or a dict of names to teachers.
        taps: The teacher taps of all terms.
        student: The student, whose data preprocessor says how the batches are normalised.

    Returns:
        Name to teacher (a single one has the name ``''``), and name to running average of the student for those that
        are one.

    Raises:
        UserError: A teacher cannot be built, no tap reads it, or a tap names none.
    """
    configs = named_teachers(cfg)
    wanted: dict[str, list[str]] = {name: [] for name in configs}
    for tap in taps:
        name, rest = split_tap(tap, configs)
        wanted[name].append(rest)
    teachers, averages = {}, nn.ModuleDict()
    for name, config in configs.items():
        if not wanted[name]:
            raise UserError(f'teacher {name!r} expects a term that reads it, got none. Remove it, or write a '
                            f"teacher tap such as '{name}:logits'.")
        if isinstance(config, dict) and 'ema' in config:
            averages[name or 'average'] = average = _average(config, student)
            teachers[name] = Teacher(average.module, wanted[name], InputAdapter(None, None))
        else:
            teachers[name] = _build(config, wanted[name], student.data_preprocessor)
    return teachers, averages


def named_teachers(cfg: dict) -> dict[str, dict]:
    """Reads a recipe's ``teacher``: name to config of each; a single one has the name ``''``.

    Raises:
        UserError: It is no dict.
    """
    if not isinstance(cfg, dict):
        raise UserError(f'teacher expects a dict, got {cfg!r}.')
    several = cfg and not FORMS & set(cfg) and all(
        isinstance(value, dict) and FORMS & set(value) for value in cfg.values())
    return cfg if several else {'': cfg}


def split_tap(tap: str, teachers: dict[str, object]) -> tuple[str, str]:
    """Splits a teacher tap into the teacher's name and the tap.

    Raises:
        UserError: There are several teachers and it names none of them.
    """
    if list(teachers) == ['']:
        return '', tap
    name, _, rest = tap.partition(':')
    if not rest or name not in teachers:
        raise UserError(f"a teacher tap expects the form 'name:tap' where there are several teachers, got {tap!r}. "
                        f'{nearest(name, teachers)}')
    return name, rest


def _average(cfg: dict, student: BaseModel) -> RunningAverage:
    options = cfg['ema']
    if set(cfg) != {'ema'} or not isinstance(options, dict) or not set(options) <= {'momentum', 'interval'}:
        raise UserError(f'teacher expects ema=dict(momentum=…) and nothing else beside it, got {cfg!r}.')
    check_type('teacher', 'ema momentum', options.get('momentum', 2e-4), float)
    if not 0 < options.get('momentum', 2e-4) < 1:
        raise UserError(f'teacher expects an ema with a momentum in (0, 1), got {options["momentum"]}.')
    return RunningAverage(student, **options)


def _build(cfg: dict, taps: list[str], student_preprocessor: nn.Module) -> Teacher:
    cfg = dict(cfg)
    options = {key: cfg.pop(key) for key in ('dtype', 'compile') if key in cfg}
    check_type('teacher', 'dtype', options.get('dtype'), str | None)
    check_type('teacher', 'compile', options.get('compile', False), bool | dict)
    size = cfg.pop('input_size', None)
    spec = read_spec(cfg, 'teacher')
    model = build_without_weights(spec, 'teacher')
    load = partial(load_weights_of, model, spec, 'teacher')
    if not reads_file(spec):
        load()
    theirs = teacher_normalisation(model, spec.cfg)
    size = as_size(size) if size is not None else fixed_input_size(model, spec.cfg)
    adapter = InputAdapter(normalisation(student_preprocessor), theirs, size)
    if adapter.scale is not None or adapter.flip or size:
        print_log(f"The teacher's input is adapted: normalisation {theirs}, size {size or 'as the student'}.",
                  logger='current')
    return Teacher(model, taps, adapter, load=load if reads_file(spec) else None, **options)
