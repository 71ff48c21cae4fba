"""Convolutional connectors."""
from torch import Tensor, nn

from mmkd.registry import MODELS


@MODELS.register_module()
class ConvConnector(nn.Module):
    """Projects a student map to the teacher's width with one convolution.

    Source: FitNets (Romero et al., 2015, arXiv 1412.6550) introduced the regressor; 1×1 is the form
    that Wei et al., 2022 (arXiv 2205.14141) and most later work use.

    Args:
        student_channels: Width of the student's tap. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        kernel_size: Odd size of the kernel; the map keeps its size.

    Shapes: (N, student_channels, H, W) → (N, teacher_channels, H, W).
    """

    def __init__(self, student_channels: int, teacher_channels: int, kernel_size: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(student_channels, teacher_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, student: Tensor) -> Tensor:
        """Projects one student map; see the class for shapes."""
        return self.conv(student)
