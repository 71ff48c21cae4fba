"""A connector for maps of another size."""
from collections.abc import Sequence

from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.sizes import resized, scaled_size


@MODELS.register_module()
class ResizeConnector(nn.Module):
    """Resizes a student map to the teacher's size (bilinear), and gives it the teacher's width.

    Without parameters where the widths are equal; else a 1×1 convolution comes first.

    Args:
        student_channels: Width of the student's tap. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        teacher_size: Height and width of the teacher's map. Inferred from the tap in a recipe.
        student_size: Those of the student's map. Inferred likewise. A map of another size, of images of another size,
            is resized by the same ratio; left out, to ``teacher_size``.

    Shapes: (N, student_channels, H, W) → (N, teacher_channels, H', W'): ``teacher_size`` for a map of ``student_size``.

    Raises:
        UserError: The teacher's tap is no map.
    """

    def __init__(self,
                 student_channels: int,
                 teacher_channels: int,
                 teacher_size: tuple[int, int] | None,
                 student_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        if teacher_size is None or len(teacher_size) != 2:
            raise UserError(f'ResizeConnector expects teacher_size to be (height, width), got {teacher_size}. '
                            'Tap a map of the teacher.')
        self.teacher_size = tuple(teacher_size)
        self.student_size = None if student_size is None else tuple(student_size)
        equal = student_channels == teacher_channels
        self.project = nn.Identity() if equal else nn.Conv2d(student_channels, teacher_channels, 1)

    def forward(self, student: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """Resizes one student map; see the class for shapes.

        Args:
            student: The map.
            size: Height and width of the teacher's map, where they are known.

        Raises:
            UserError: The tap is no map.
        """
        if student.dim() != 4:
            raise UserError(f'ResizeConnector expects a map (N, C, H, W), got {tuple(student.shape)}. '
                            'Use mmkd.TokensToMapConnector for tokens.')
        student = self.project(student)
        if size is None:
            size = (self.teacher_size if self.student_size is None
                    else scaled_size(student.shape[2:], self.student_size, self.teacher_size))
        return resized(student, size)
