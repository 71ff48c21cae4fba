"""Connectors between the maps of ConvNets and the tokens of transformers."""
import math

from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.sizes import resized


@MODELS.register_module()
class TokensToMapConnector(nn.Module):
    """Lays out a student's tokens as a map, row by row, and gives them the teacher's width.

    For raw taps of transformers; the taps ``stage1`` … ``stage4`` are maps already. Without parameters where the
    widths are equal.

    Args:
        student_channels: Width of the student's tokens. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        prefix_tokens: Number of class and register tokens at the front, which are dropped.
        grid: Height and width of the map; None for a square one.

    Shapes: (N, prefix_tokens + H·W, student_channels) → (N, teacher_channels, H, W).
    """

    def __init__(self,
                 student_channels: int,
                 teacher_channels: int,
                 prefix_tokens: int = 0,
                 grid: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.prefix_tokens = prefix_tokens
        self.grid = tuple(grid) if grid is not None else None
        self.project = _project(student_channels, teacher_channels)

    def forward(self, student: Tensor) -> Tensor:
        """Lays out the tokens of one student tap; see the class for shapes.

        Raises:
            UserError: The tap has no tokens, or their number does not fill the grid or a square.
        """
        if student.dim() != 3:
            raise UserError(f'TokensToMapConnector expects tokens (N, L, C), got {tuple(student.shape)}. '
                            'Use mmkd.ConvConnector for maps.')
        tokens = student[:, self.prefix_tokens:]
        height, width = self._grid_of(tokens.shape[1])
        return self.project(tokens).transpose(1, 2).reshape(len(tokens), -1, height, width)

    def _grid_of(self, count: int) -> tuple[int, int]:
        side = math.isqrt(max(count, 0))
        height, width = self.grid or (side, side)
        if count < 1 or height * width != count:
            number = f'{height}×{width}' if self.grid else 'a square number of'
            raise UserError(
                f'TokensToMapConnector expects {number} tokens after {self.prefix_tokens} prefix tokens, got {count}. '
                'Set prefix_tokens to the number of class and register tokens, and grid=(height, width) for maps that '
                'are not square.')
        return height, width


@MODELS.register_module()
class MapToTokensConnector(nn.Module):
    """Reads a student's map as tokens, row by row, and gives them the teacher's width.

    It makes no class token: of a teacher that has one, tap what comes without. Without parameters where the widths are
    equal.

    Args:
        student_channels: Width of the student's map. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's tokens. Inferred from the tap in a recipe.
        grid: Height and width to which the map is resized first (bilinear); None to leave it as it is.

    Shapes: (N, student_channels, H, W) → (N, H·W, teacher_channels), or of the grid's H and W.
    """

    def __init__(self, student_channels: int, teacher_channels: int, grid: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.grid = tuple(grid) if grid is not None else None
        self.project = _project(student_channels, teacher_channels)

    def forward(self, student: Tensor) -> Tensor:
        """Reads the map of one student tap; see the class for shapes.

        Raises:
            UserError: The tap is no map.
        """
        if student.dim() != 4:
            raise UserError(f'MapToTokensConnector expects a map (N, C, H, W), got {tuple(student.shape)}. '
                            'Use mmkd.LinearConnector for tokens and pooled features.')
        if self.grid is not None:
            student = resized(student, self.grid)
        return self.project(student.flatten(2).transpose(1, 2))  # (N, H·W, C)


def _project(student_channels: int, teacher_channels: int) -> nn.Module:
    equal = student_channels == teacher_channels
    return nn.Identity() if equal else nn.Linear(student_channels, teacher_channels)
