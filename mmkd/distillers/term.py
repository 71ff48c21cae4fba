"""One entry of a recipe: taps, an optional connector, a loss and a weight."""
from mmengine.model import BaseModule
from torch import Tensor, autocast, nn

from mmkd.losses.checks import shape_of
from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.build import build

Tapped = dict[str, Tensor | list[Tensor]]


class Term(BaseModule):
    """Compares student taps with teacher taps.

    Args:
        name: Its name in the recipe; the log shows it as ``loss_<name>``.
        loss: Config of the loss.
        student: Tap or list of taps of the student.
        teacher: Tap or list of taps of the teacher.
        connector: Config of the connector; with several student taps, each gets its own. Its
            ``student_channels`` and ``teacher_channels`` are inferred where they are left out.
        weight: Factor of the loss.

    Raises:
        UserError: An argument is missing or has the wrong type.
    """

    def __init__(self,
                 name: str,
                 loss: dict,
                 student: str | list[str],
                 teacher: str | list[str],
                 connector: dict | None = None,
                 weight: float = 1.0) -> None:
        super().__init__()
        self.name = name
        self.student_taps = [student] if isinstance(student, str) else list(student)
        self.teacher_taps = [teacher] if isinstance(teacher, str) else list(teacher)
        self.several = not isinstance(student, str)
        self.weight = weight
        self.loss = build(MODELS, loss, f'term {name!r}')
        self.connectors: nn.ModuleList | None = None
        self._connector_cfg = connector
        if connector and len(self.student_taps) != len(self.teacher_taps):
            raise UserError(f'term {name!r} expects as many student taps as teacher taps for its connectors, '
                            f'got {len(self.student_taps)} and {len(self.teacher_taps)}.')

    def build_connectors(self, student: Tapped, teacher: Tapped) -> None:
        """Builds the connectors from the tensors of a dry run.

        Args:
            student: Tap name to tensor of the student.
            teacher: Tap name to tensor of the teacher.
        """
        if not self._connector_cfg:
            return
        pairs = zip(self.student_taps, self.teacher_taps, strict=True)
        self.connectors = nn.ModuleList(
            build(
                MODELS,
                dict(student_channels=student[s].shape[1], teacher_channels=teacher[t].shape[1])
                | self._connector_cfg, f'term {self.name!r}') for s, t in pairs)

    def forward(self, student: Tapped, teacher: Tapped, target: Tensor | None) -> Tensor:
        """Computes the weighted loss, in fp32 whatever the autocast type.

        Args:
            student: Tap name to tensor of the student.
            teacher: Tap name to tensor of the teacher.
            target: Class indices (N,) or soft labels (N, C); None for models without image labels.

        Returns:
            A scalar.
        """
        students = [student[tap] for tap in self.student_taps]
        teachers = [teacher[tap] for tap in self.teacher_taps]
        if self.connectors is not None:
            students = [connect(tensor) for connect, tensor in zip(self.connectors, students, strict=True)]
        with autocast(_device_type(students[0]), enabled=False):
            if self.several:
                return self.weight * self.loss(students, teachers, target)
            return self.weight * self.loss(students[0], teachers[0], target)

    def dry_run(self, student: Tapped, teacher: Tapped, target: Tensor | None) -> None:
        """Builds the connectors and tries the loss once, to find wrong shapes before training.

        Raises:
            UserError: Something does not fit; the message has the shapes of both sides.
        """
        try:
            self.build_connectors(student, teacher)
            self(student, teacher, target)
        except (UserError, RuntimeError, ValueError, IndexError, TypeError) as error:
            shapes = '; '.join(
                f'{role} {", ".join(taps)}: {shape_of([tensors[tap] for tap in taps])[1:-1]}'
                for role, taps, tensors in (('student', self.student_taps, student),
                                            ('teacher', self.teacher_taps, teacher)))
            raise UserError(f'term {self.name!r} does not fit its taps ({shapes}): {error}') from error


def _device_type(tensor: Tensor | list[Tensor]) -> str:
    return (tensor if isinstance(tensor, Tensor) else tensor[0]).device.type
