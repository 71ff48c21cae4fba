"""The teachers of a recipe: each frozen, in eval mode, and invisible to everything that walks over the student."""
from collections.abc import Iterable, Mapping, Sequence

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmkd.datasets.verification.class_names import Classes, classes_of_checkpoint
from mmkd.layers.running_average import RunningAverage
from mmkd.utils import UserError, nearest
from mmkd.utils.building.signatures import check_type
from mmkd.zoo.checkpoint_meta import read_classes

from .inputs import InputAdapter, as_size, fixed_input_size, normalisation, teacher_normalisation
from .models import FORMS, TEACHER_OPTIONS, build_model, fake_samples, forward_mode, read_spec
from .taps import Tapped, Taps

DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}
SINGLE = 'teacher'  # the name of a teacher that the recipe gives none


class Teacher:
    """Runs the teacher on the student's batch and returns its taps, detached.

    It is not an ``nn.Module`` on purpose: so it is in no state dict, no optimizer, no DDP bucket,
    and ``model.train()``, weight initialisation and re-initialisation never reach it. ``deepcopy``
    (which EMA uses) returns the same object.

    Args:
        model: The teacher, its weights loaded.
        taps: Names of the taps to read.
        adapter: Brings the student's batch into the teacher's form.
        dtype: ``'bf16'`` or ``'fp16'`` runs the teacher under autocast; None follows the student.
        compile: Whether to compile the forward pass; a dict goes to ``torch.compile``. The first pass, the distiller's
            dry run on the CPU, is not: what is compiled begins with the first batch.

    Raises:
        UserError: A tap does not exist or the dtype is unknown.
    """

    def __init__(self,
                 model: BaseModel,
                 taps: Sequence[str],
                 adapter: InputAdapter,
                 dtype: str | None = None,
                 compile: bool | dict = False) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise UserError(f'teacher expects dtype to be one of {", ".join(DTYPES)}, got {dtype!r}.')
        self.model = model.eval().requires_grad_(False)
        self.taps = Taps(model, taps)
        self.mode = forward_mode(model)
        self.adapter = adapter
        self.dtype = DTYPES.get(dtype)
        self.device = torch.device('cpu')
        self._has_run = False
        self._compiled = None
        if compile:
            self._compiled = torch.compile(self._run, **(compile if isinstance(compile, dict) else {}))

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self

    @torch.no_grad()
    def __call__(self, inputs: Tensor, data_samples: list | None = None) -> Tapped:
        """Forwards one batch, as far as the taps need it.

        Args:
            inputs: The student's normalised images (N, 3, H, W), augmented and mixed already.
            data_samples: Their annotations, of which detectors need the sizes of the images.

        Returns:
            Tap name to tensor (or list of tensors), without gradient history.
        """
        inputs = self.adapt(inputs)
        if data_samples is None:
            data_samples = fake_samples(self.model, len(inputs), tuple(inputs.shape[-2:]))
        compiled = self._compiled if self._has_run else None
        _, tensors = self.taps.read(compiled or self._run, inputs, data_samples, self.mode, stop_early=compiled is None,
                                    compiled=compiled is not None)
        self._has_run = True
        return tensors

    @torch.no_grad()
    def predict(self, inputs: Tensor, data_samples: list | None = None) -> list:
        """The teacher's own predictions for the student's batch, as data samples."""
        return self._run(self.adapt(inputs), data_samples, 'predict')

    def adapt(self, inputs: Tensor) -> Tensor:
        """Brings the student's batch into the teacher's form, and the teacher to the batch's device."""
        if inputs.device != self.device:
            self._move(inputs.device)
        return self.adapter(inputs)

    def _run(self, inputs: Tensor, data_samples: list | None, mode: str) -> list | Tensor:
        if self.dtype is None:
            return self.model(inputs, data_samples, mode=mode)
        with torch.autocast(inputs.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.model(inputs, data_samples, mode=mode)

    def _move(self, device: torch.device) -> None:
        self.model.to(device)
        self.adapter.to(device)
        self.device = device


class Teachers(dict[str, Teacher]):
    """The teachers of a distiller by name; ``''`` is the only one, as it was before that one had a name."""

    def __missing__(self, name: str) -> Teacher:
        """Finds the only teacher under its old name.

        Raises:
            KeyError: There is no such teacher.
        """
        if name or len(self) != 1:
            raise KeyError(name)
        return next(iter(self.values()))


def teacher_role(name: str) -> str:
    """What a teacher is called in messages: ``'teacher'``, or ``"teacher 'name'"`` of several."""
    return SINGLE if name == SINGLE else f'teacher {name!r}'


def named_teachers(cfg: dict) -> dict[str, dict]:
    """Reads a recipe's ``teacher``: name to config of each; a single one has the name ``'teacher'``.

    Raises:
        UserError: It is no dict.
    """
    if not isinstance(cfg, dict):
        raise UserError(f'teacher expects a dict, got {cfg!r}.')
    forms = {*FORMS, 'ema'}
    several = (cfg and not forms & set(cfg) and all(isinstance(value, dict) for value in cfg.values())
               and any(forms & set(value) for value in cfg.values()))
    return cfg if several else {SINGLE: cfg}


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


def build_teachers(cfg: dict, taps: Iterable[str], student: BaseModel) -> tuple[Teachers, nn.ModuleDict]:
    """Builds all teachers that a recipe names.

    Args:
        cfg: A teacher, or a dict of names to teachers.
        taps: The teacher taps of all terms.
        student: The student, whose data preprocessor says how the batches are normalised.

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
        else:
            teachers[name] = _build(config, teacher_role(name), wanted[name], student.data_preprocessor)
    return teachers, averages


def _average(cfg: dict, student: BaseModel) -> RunningAverage:
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


def _build(cfg: dict, role: str, taps: list[str], student_preprocessor: nn.Module) -> Teacher:
    options = {key: cfg[key] for key in TEACHER_OPTIONS if key in cfg}
    check_type(role, 'dtype', options.get('dtype'), str | None)
    check_type(role, 'compile', options.get('compile', False), bool | dict)
    size = options.pop('input_size', None)
    spec = read_spec({key: value for key, value in cfg.items() if key not in TEACHER_OPTIONS}, role)
    model = build_model(spec, role)
    theirs = teacher_normalisation(model, spec.cfg)
    size = as_size(size) if size is not None else fixed_input_size(model, spec.cfg)
    adapter = InputAdapter(normalisation(student_preprocessor), theirs, size)
    if adapter.scale is not None or adapter.flip or size:
        print_log(f"The {role}'s input is adapted: normalisation {theirs}, size {size or 'as the student'}.",
                  logger='current')
    return Teacher(model, taps, adapter, **options)


def teachers_classes(config: Mapping) -> list[Classes]:
    """The classes of the teachers whose logits a term reads, as far as their checkpoints name them.

    Args:
        config: The ``model`` of a recipe.
    """
    configs = named_teachers(config['teacher'])
    taps = [term.get('teacher') or () for term in (config.get('terms') or {}).values()]
    read = {split_tap(tap, configs) for each in taps for tap in ([each] if isinstance(each, str) else each)}
    found = []
    for name, teacher in configs.items():
        if (name, 'logits') in read and teacher.get('checkpoint'):
            named, file = name in config['teacher'], str(teacher['checkpoint'])
            where = f'the checkpoint of {teacher_role(name)}' if named else "the teacher's checkpoint"
            found.append(classes_of_checkpoint(f'{where}, {file},', read_classes(file)))
    return [classes for classes in found if classes is not None]
