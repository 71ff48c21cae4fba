"""A connector for maps of another size."""
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError


@MODELS.register_module()
class ResizeConnector(nn.Module):
    """Resizes a student map to the teacher's size (bilinear), and gives it the teacher's width.

    Without parameters where the widths are equal; else a 1×1 convolution comes first.

    Args:
        student_channels: Width of the student's tap. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        teacher_size: Height and width of the teacher's map. Inferred from the tap in a recipe.
        student_size: Those of the student's map. Inferred likewise; where both are equal, maps keep their size, also
            when images of another size are trained on.

    Shapes: (N, student_channels, H, W) → (N, teacher_channels, *teacher_size).

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
        self.size = tuple(teacher_size)
        self.resizes = student_size is None or tuple(student_size) != self.size
        equal = student_channels == teacher_channels
        self.project = nn.Identity() if equal else nn.Conv2d(student_channels, teacher_channels, 1)

    def forward(self, student: Tensor) -> Tensor:
        """Resizes one student map; see the class for shapes.

        Raises:
            UserError: The tap is no map.
        """
        if student.dim() != 4:
            raise UserError(f'ResizeConnector expects a map (N, C, H, W), got {tuple(student.shape)}. '
                            'Use mmkd.TokensToMapConnector for tokens.')
        student = self.project(student)
        if not self.resizes or student.shape[2:] == self.size:
            return student
        return F.interpolate(student, size=self.size, mode='bilinear', align_corners=False)
