"""One entry of a recipe: taps, optional connectors, a loss and a weight."""
from contextlib import nullcontext

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmkd.losses.checks import at_least_fp32, shape_of
from mmkd.registry import MODELS
from mmkd.utils import UserError, nearest
from mmkd.utils.building.build import build, find_type
from mmkd.utils.building.signatures import check_values
from mmkd.utils.given import given
from mmkd.utils.precision import full_precision

from ..parts import TeacherParts
from ..schedule import Progress, WeightSchedule
from ..taps import Tapped
from ..taps.readings import Versions
from .extras import arguments_of, extras_of, needs_target
from .inferred import INFERRED, Value, each, first, size
from .teacher_norm import checked_norm, is_estimating

NEEDED_KEYS = 'loss', 'student', 'teacher'
KEYS = *NEEDED_KEYS, 'connector', 'teacher_norm', 'weight'


class Term(BaseModule):
    """Compares student taps with teacher taps.

    The connectors and the loss are built by :meth:`build`, from the tensors of a dry run. Their arguments
    ``student_channels``, ``teacher_channels``, ``student_size``, ``teacher_size`` (height and width) and
    ``num_classes`` (the teacher's last dimension) are filled in where their constructor has them and the recipe
    does not say: a number or pair for a single tap, a list for a list of taps. A connector that was given no
    ``teacher_size`` and whose ``forward`` has an argument ``size`` gets the height and width of the teacher's map in
    each pass (a joint one a list), so that it follows images of any size.

    Attributes:
        needs_target: Whether the loss cannot be computed without labels.

    Args:
        name: Its name in the recipe; the log shows it as ``loss_<name>``.
        loss: Config of the loss, or an ``nn.Module`` whose ``forward`` takes the student's and the teacher's tensors.
        student: Tap of the student, of which the loss gets a tensor, or list of taps, of which it gets a list.
        teacher: The same of the teacher.
        connector: Config of the connector, which each student tap gets for itself unless the connector is a joint
            one; or a list with a config or None for each student tap. An ``nn.Module`` may stand for a config.
        teacher_norm: Config of what standardises the teacher's features, of each teacher tap by itself: a class of
            :mod:`mmkd.standardisers`. While it estimates, in the first steps, the term counts nothing: its loss and
            its gradients are 0.
        weight: Factor of the loss: a number, or a dict for :class:`~mmkd.distillers.schedule.WeightSchedule`.

    Raises:
        UserError: An argument is missing or has the wrong type.
    """

    def __init__(self,
                 name: str,
                 loss: dict | nn.Module,
                 student: str | list[str],
                 teacher: str | list[str],
                 connector: dict | nn.Module | list[dict | nn.Module | None] | None = None,
                 teacher_norm: dict | None = None,
                 weight: float | dict = 1.0) -> None:
        super().__init__()
        self.name = name
        check_values(f'term {name!r}', Term.__init__, student=student, teacher=teacher, connector=connector,
                     teacher_norm=teacher_norm)
        self.several = not isinstance(student, str), not isinstance(teacher, str)
        self.student_taps = list(student) if self.several[0] else [student]
        self.teacher_taps = list(teacher) if self.several[1] else [teacher]
        try:
            self.weight = WeightSchedule.of(weight)
        except UserError as error:
            raise UserError(f'term {name!r}: {error}') from error
        self._configs = (loss, connector)
        self._norm_config = teacher_norm
        self.teacher_norms: nn.ModuleList | None = None
        _class_of(loss, f'term {name!r}')
        self.loss: nn.Module | None = None
        self.connectors: nn.ModuleList | None = None
        self._follows: list[bool] = []
        self._extras: tuple[str, ...] = ()
        self.needs_target = False
        if isinstance(connector, list) and len(connector) != len(self.student_taps):
            raise UserError(f'term {name!r} expects one connector or None for each of its {len(self.student_taps)} '
                            f'student taps, got {len(connector)}.')
        if isinstance(connector, nn.Module) and len(self.student_taps) > 1 and not getattr(connector, 'joint', False):
            raise UserError(f'term {name!r} expects a list with a connector for each of its {len(self.student_taps)} '
                            f'student taps, got one {type(connector).__name__} for all. Give each its own.')
        if connector is not None and 1 < len(self.teacher_taps) < len(self.student_taps):
            raise UserError(f'term {name!r} expects one teacher tap, or one for each student tap, for its connectors, '
                            f'got {len(self.student_taps)} and {len(self.teacher_taps)}.')

    @property
    def uses_indices(self) -> bool:
        """Whether the loss asks for the indices of the samples."""
        return 'indices' in self._extras

    @property
    def follows_size(self) -> bool:
        """Whether a connector makes its output as large as the teacher's map."""
        return any(self._follows)

    @property
    def is_estimating(self) -> bool:
        """Whether the term counts nothing yet, as its ``teacher_norm`` is not known."""
        return is_estimating(self.teacher_norms)

    def switch_off(self) -> None:
        """Takes the term out of training: its weight is 0, and its parameters are frozen, so it is not computed."""
        self.weight = WeightSchedule(0.)
        self.requires_grad_(False)
        for parameter in self.parameters():
            parameter.grad = None

    @property
    def reads_weights(self) -> bool:
        """Whether the loss reads the teacher's weights when it is built: by a part of it, or by what its taps give."""
        kind = _class_of(self._configs[0], f'term {self.name!r}')
        return bool(getattr(kind, 'teacher_parts', ())) or hasattr(kind, 'check_taps')

    def is_idle(self, progress: Progress) -> bool:
        """Whether the term need not be computed: it has stopped, and no parameter waits for its gradient."""
        return self.weight.at(progress) == 0 and not any(p.requires_grad for p in self.parameters())

    def build(self, student: Tapped, teacher: Tapped, parts: TeacherParts) -> None:
        """Builds connectors and loss from the tensors of a dry run.

        Args:
            student: Tap name to tensor of the student.
            teacher: Tap name to tensor of the teacher.
            parts: Gives the loss the parts of the teacher that it declares; see
                :class:`~mmkd.distillers.parts.TeacherParts`.

        Raises:
            UserError: Something cannot be built, the teacher lacks a part, or the loss asks for what there is not.
        """
        loss, connector = self._configs
        students, teachers = self._values(student, teacher)
        if self._norm_config is not None:
            self.teacher_norms = nn.ModuleList(
                self._build(checked_norm(self._norm_config, value, tap, f'term {self.name!r}'), value, value)
                for tap, value in zip(self.teacher_taps, teachers, strict=True))
        partners = teachers * len(students) if len(teachers) == 1 else teachers
        if (connector is not None and not isinstance(connector, list)
                and getattr(_class_of(connector, self.name), 'joint', False)):
            configs = [connector]
            self.connectors = nn.ModuleList([self._build(connector, students, teachers)])
        elif connector is not None:
            configs = connector if isinstance(connector, list) else [connector] * len(students)
            self.connectors = nn.ModuleList(
                nn.Identity() if config is None else self._build(config, *pair)
                for config, *pair in zip(configs, students, partners, strict=False))
        if self.connectors is not None:
            self._follows = [isinstance(config, dict | nn.Module) and 'size' in arguments_of(module.forward)
                             and (isinstance(config, nn.Module) or 'teacher_size' not in config)
                             for config, module in zip(configs, self.connectors, strict=True)]
        students = self.eval()._connect(students, teachers)  # batch norms shall not count the fake batch
        self.loss = self._build(loss, *self._arguments(students, teachers))
        self._extras = extras_of(self.loss)
        self.needs_target = needs_target(self.loss, self._extras)
        parts.bind(self.loss, self.teacher_taps)

    def _build(self, config: dict | nn.Module, student: Value, teacher: Value) -> nn.Module:
        what, device = f'term {self.name!r}', first(student).device
        if isinstance(config, nn.Module):
            return config.to(device)
        wanted = arguments_of(find_type(MODELS, config, what).__init__)
        inferred = {name: infer(student, teacher) for name, infer in INFERRED.items()
                    if name in wanted and name not in config}
        return build(MODELS, inferred | config, what).to(device)

    def _values(self, student: Tapped, teacher: Tapped) -> tuple[list[Value], list[Value]]:
        return [student[tap] for tap in self.student_taps], [teacher[tap] for tap in self.teacher_taps]

    def _connect(self, students: list[Value], teachers: list[Value]) -> list[Value]:
        if self.connectors is None:
            return students
        partners = teachers * len(students) if len(teachers) == 1 else teachers
        if getattr(self.connectors[0], 'joint', False):
            return self.connectors[0](students, **self._size_of(0, partners))
        return [connect(tensor, **self._size_of(i, partner)) for i, (connect, tensor, partner) in
                enumerate(zip(self.connectors, students, partners, strict=False))]

    def _size_of(self, connector: int, teacher: Value) -> dict[str, object]:
        return dict(size=each(size)(teacher)) if self._follows[connector] else {}

    def _arguments(self, students: list[Value], teachers: list[Value]) -> list[Value]:
        return [values if several else values[0]
                for values, several in zip((students, teachers), self.several, strict=True)]

    def forward(self,
                student: Tapped,
                teacher: Tapped,
                target: Tensor | None = None,
                indices: Tensor | None = None,
                progress: Progress | None = None,
                data_samples: list | None = None) -> Tensor:
        """Computes the weighted loss, in fp32 whatever the autocast type.

        Args:
            student: Tap name to tensor of the student.
            teacher: Tap name to tensor of the teacher.
            target: Class indices (N,) or soft labels (N, C); None for models without image labels.
            indices: Numbers (N,) of the samples in the training set, where they are known.
            progress: How far the training has come, which the weight may depend on.
            data_samples: The annotations of the batch.

        Returns:
            A scalar.

        Raises:
            UserError: The loss or a connector changes in place what it reads, which other terms read too; or the loss
                needs labels and there are none, or returns no scalar.
        """
        if target is None and self.needs_target:
            raise UserError(f'{type(self.loss).__name__} expects class labels, got none. Train on labelled images, or '
                            'use a loss without a target such as KDLoss.')
        students, teachers = self._values(student, teacher)
        versions = Versions()
        for tap, value in zip((*self.student_taps, *self.teacher_taps), (*students, *teachers), strict=True):
            versions.watch(tap, value)
        if self.teacher_norms is not None:
            teachers = [norm(value) for norm, value in zip(self.teacher_norms, teachers, strict=True)]
        arguments = self._arguments(self._connect(students, teachers), teachers)
        own = getattr(self.loss, 'mixed_precision', False)  # the loss sees to its precision itself
        if not own:
            arguments = [each(at_least_fp32)(value) for value in arguments]
        given = dict(target=target, indices=indices, data_samples=data_samples)
        extras = {name: given[name] for name in self._extras}
        with nullcontext() if own else full_precision(first(arguments[0]).device.type):
            value = self.loss(*arguments, **extras) if len(first(arguments[0])) else self._of_nothing(arguments[0])
        if versions.changed():
            raise UserError(f'term {self.name!r} expects that its loss and connectors leave the taps as they are, got '
                            f'a change in place of {", ".join(sorted(versions.changed()))}. Copy the tensor first.')
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise UserError(f'term {self.name!r} expects its loss to return one number, got {shape_of(value)} of '
                            f'{type(self.loss).__name__}. Average it.')
        weight = 0. if self.is_estimating else self.weight.at(progress or Progress())
        return weight * value.reshape(())

    def _of_nothing(self, student: Value) -> Tensor:
        """The loss of a batch without regions, whose mean would be 0 / 0: a zero that reaches every parameter."""
        return 0. * (first(student).sum() + sum(p.sum() for p in self.parameters() if p.requires_grad))

    def dry_run(self, student: Tapped, teacher: Tapped, target: Tensor | None, parts: TeacherParts,
                data_samples: list | None = None) -> None:
        """Builds the term and tries it once, to find wrong shapes before training.

        Raises:
            UserError: Something does not fit; the message has the shapes of both sides.
        """
        try:
            self.build(student, teacher, parts)
            self.eval()(student, teacher, target, None if target is None else target.new_tensor([0, 1]),
                        data_samples=data_samples)
            if hasattr(self.loss, 'check_taps'):
                self.loss.check_taps([teacher[tap] for tap in self.teacher_taps])
        except (UserError, RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
            shapes = '; '.join(
                f'{role} {", ".join(taps)}: {shape_of([tensors[tap] for tap in taps])[1:-1]}'
                for role, taps, tensors in (('student', self.student_taps, student),
                                            ('teacher', self.teacher_taps, teacher)))
            raise UserError(f'term {self.name!r} does not fit its taps ({shapes}): {error}') from error


def term_config(name: str, cfg: dict) -> dict:
    """Checks the keys of a term's config, and its name.

    Raises:
        UserError: A key is unknown or missing, or the name cannot stand in the log.
    """
    if not isinstance(name, str) or '.' in name or name == 'task':  # "task" is the student's own loss, in the log
        raise UserError(f"a term expects a name without dots and other than 'task', got {name!r}. Rename it.")
    expected = (f'term {name!r} expects a dict of {", ".join(NEEDED_KEYS)} and optionally '
                f'{", ".join(key for key in KEYS if key not in NEEDED_KEYS)}')
    for key in cfg if isinstance(cfg, dict) else ():
        if key not in KEYS:
            raise UserError(f'{expected}, got {key!r}. {nearest(str(key), KEYS)}')
    if not isinstance(cfg, dict) or not cfg.keys() >= set(NEEDED_KEYS):
        raise UserError(f'{expected}, got {cfg!r}.')
    connector = cfg.get('connector')
    return {**cfg, 'loss': given(cfg['loss']), **({} if connector is None else dict(
        connector=[given(each) for each in connector] if isinstance(connector, list) else given(connector)))}


def _class_of(config: dict | nn.Module, what: str) -> type:
    return type(config) if isinstance(config, nn.Module) else find_type(MODELS, config, what)
