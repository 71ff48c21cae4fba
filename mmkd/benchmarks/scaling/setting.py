"""What the computation takes for given, with values that can be replaced."""
from collections.abc import Mapping
from dataclasses import dataclass, fields

from mmkd.utils import UserError, nearest
from mmkd.utils.building.arguments import check_arguments, number, whole

from .network import Network


@dataclass(frozen=True)
class Setting:
    """Machines, and times that are given in place of measuring them.

    Args:
        student_ms: Milliseconds of the student's step alone.
        teacher_ms: Of the teachers' pass.
        step_ms: Of the distillation step; None for the sum of the two.
        backward_share: Share of the student's step that is its backward pass, under which gradients are sent.
        images_per_core: Images a second that one CPU core reads and augments.
        cores_per_gpu: CPU cores that load images for a GPU; None for the recipe's ``num_workers``.
        gpus_per_node: GPUs of a machine.
        inside_gb: Gigabytes a second that a GPU sends to another of its machine.
        between_gb: Gigabytes a second that a machine sends to another.
        latency_us: Microseconds before a message's first byte arrives.
        view_bytes: Bytes of a teacher's answer to one view in a cache.
    """
    student_ms: float | None = None
    teacher_ms: float | None = None
    step_ms: float | None = None
    backward_share: float = 2 / 3
    images_per_core: float = 155.
    cores_per_gpu: float | None = None
    gpus_per_node: int = 8
    inside_gb: float = 450.
    between_gb: float = 12.5
    latency_us: float = 10.
    view_bytes: int = 76

    def __post_init__(self) -> None:
        rules = dict.fromkeys(('student_ms', 'step_ms', 'images_per_core', 'cores_per_gpu', 'inside_gb', 'between_gb'),
                              number(above=0, high=1e9))
        rules |= dict(teacher_ms=number(0, 1e9), backward_share=number(above=0, below=1), gpus_per_node=whole(),
                      latency_us=number(0, 1e9), view_bytes=whole(0))
        given = {name: (getattr(self, name), rule) for name, rule in rules.items() if getattr(self, name) is not None}
        check_arguments('--setting', **given)

    @classmethod
    def of(cls, options: Mapping[str, object]) -> 'Setting':
        """Reads what a command line has.

        Raises:
            UserError: A name or a value is not valid.
        """
        names = [field.name for field in fields(cls)]
        for name in options:
            if name not in names:
                raise UserError(f'--setting expects names that it knows, got {name!r}. {nearest(name, names)}')
        return cls(**options)

    @property
    def network(self) -> Network:
        """The links between GPUs."""
        return Network(self.gpus_per_node, self.inside_gb * 1e9, self.between_gb * 1e9, self.latency_us / 1e6)
