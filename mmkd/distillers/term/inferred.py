"""What a term tells its connectors and its loss of the tensors of a dry run."""
from collections.abc import Callable, Sequence

from torch import Tensor

Value = Tensor | list[Tensor]


def first(value: Value) -> Tensor:
    """The first tensor of what taps have read."""
    while not isinstance(value, Tensor):
        value = value[0]
    return value


def each(read: Callable[[Tensor], object]) -> Callable[[Value], object]:
    """Applies a function to a tensor, or to every tensor of a list (of lists)."""
    def reader(value: Value) -> object:
        return read(value) if isinstance(value, Tensor) else [reader(item) for item in value]
    return reader


def width(tensor: Tensor) -> int:
    """The channels of a tensor."""
    return tensor.shape[2] if tensor.dim() == 3 else tensor.shape[1]  # tokens (N, L, C), else channels second


def size(tensor: Tensor) -> Sequence[int]:
    """Height and width of a map; of everything else, one position."""
    return tuple(tensor.shape[2:]) if tensor.dim() == 4 else (1, 1)


INFERRED = dict(
    student_channels=lambda student, teacher: each(width)(student),
    teacher_channels=lambda student, teacher: each(width)(teacher),
    student_size=lambda student, teacher: each(size)(student),
    teacher_size=lambda student, teacher: each(size)(teacher),
    num_classes=lambda student, teacher: width(first(teacher)))
