"""Linear connectors."""
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError


@MODELS.register_module()
class LinearConnector(nn.Module):
    """Projects a pooled feature, or each token, to the teacher's width.

    Source: the linear form of the regressor of FitNets (Romero et al., 2015, arXiv 1412.6550).

    Args:
        student_channels: Width of the student's tap. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        bias: Whether to add a bias.

    Shapes: (N, student_channels) → (N, teacher_channels); tokens (N, L, student_channels) →
    (N, L, teacher_channels).
    """

    def __init__(self, student_channels: int, teacher_channels: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(student_channels, teacher_channels, bias=bias)

    def forward(self, student: Tensor) -> Tensor:
        """Projects the features of one student tap; see the class for shapes.

        Raises:
            UserError: The tap is a map or has another width.
        """
        if student.dim() not in (2, 3) or student.shape[-1] != self.linear.in_features:
            raise UserError(
                f'LinearConnector expects (N, {self.linear.in_features}) or tokens (N, L, {self.linear.in_features}), '
                f'got {tuple(student.shape)}. Use mmkd.ConvConnector for maps.')
        return self.linear(student)
