"""Convolutional connectors."""
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError


@MODELS.register_module()
class ConvConnector(nn.Module):
    """Projects a student map to the teacher's width with convolutions; one by default.

    Source: FitNets (Romero et al., 2015, arXiv 1412.6550) introduced the regressor; 1×1 is the form
    that Wei et al., 2022 (arXiv 2205.14141) and most later work use. With a batch norm it is the one of Heo et
    al., 2019 (arXiv 1904.01866); with batch norm and ReLU, of Yang et al., 2021 (SRRL).

    Args:
        student_channels: Width of the student's tap. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        kernel_size: Odd size of the kernels; the map keeps its size.
        num_convs: Number of convolutions. Before each further one stand a batch norm and a ReLU.
        norm: Whether a batch norm follows the last convolution, which then has no bias.
        act: Whether a ReLU comes last.

    Shapes: (N, student_channels, H, W) → (N, teacher_channels, H, W).

    Raises:
        UserError: The kernel size is even, or there is no convolution.
    """

    def __init__(self,
                 student_channels: int,
                 teacher_channels: int,
                 kernel_size: int = 1,
                 num_convs: int = 1,
                 norm: bool = False,
                 act: bool = False) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise UserError(f'ConvConnector expects an odd kernel_size, got {kernel_size}.')
        if num_convs < 1:
            raise UserError(f'ConvConnector expects num_convs of at least 1, got {num_convs}.')
        widths = [student_channels, *[teacher_channels] * (num_convs - 1)]
        self.hidden = nn.Sequential()
        for width in widths[:-1]:
            self.hidden.extend([_conv(width, teacher_channels, kernel_size, bias=False),
                                nn.BatchNorm2d(teacher_channels), nn.ReLU()])
        self.conv = _conv(widths[-1], teacher_channels, kernel_size, bias=not norm)
        self.norm = nn.BatchNorm2d(teacher_channels) if norm else nn.Identity()
        self.act = nn.ReLU() if act else nn.Identity()

    def forward(self, student: Tensor) -> Tensor:
        """Projects one student map; see the class for shapes."""
        return self.act(self.norm(self.conv(self.hidden(student))))


def _conv(in_channels: int, out_channels: int, kernel_size: int, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)
