"""Auxiliary classifiers on the student's stages."""
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError


@MODELS.register_module()
class AuxiliaryHeadConnector(nn.Module):
    """Turns a student stage into logits: depthwise-separable convolutions that halve the map, pooling, a classifier.

    Each of the ``depth`` blocks halves the map and doubles the width; the last one may have a width of its own.
    Without a block a 1×1 convolution stands in for them.

    Source: Hao et al., One-for-All: Bridge the Gap Between Heterogeneous Architectures in Knowledge Distillation,
    2023, arXiv 2310.19444: the projector of convolutional students.
    Differs from the authors' code: the depth is an argument (there 4 minus the stage's number), and the last width
    is not tied to the models' (there the larger of their last widths: give it as ``hidden_channels``). Students
    without convolutions, for which the authors merge patches and add transformer blocks, get this head too: their
    stages are maps here. Weights are drawn as PyTorch does.

    Args:
        student_channels: Width of the student's tap. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's tap, its logits: the number of classes. Inferred in a recipe.
        depth: Number of halving blocks: as many as bring the map to the size of the last stage's.
        hidden_channels: Width before the classifier; by default ``student_channels`` doubled ``depth`` times.

    Shapes: (N, student_channels, H, W) → (N, teacher_channels).
    """

    def __init__(self,
                 student_channels: int,
                 teacher_channels: int,
                 depth: int = 1,
                 hidden_channels: int | None = None) -> None:
        super().__init__()
        if depth < 0:
            raise UserError(f'AuxiliaryHeadConnector expects a depth of 0 or more, got {depth}.')
        widths = [student_channels * 2**i for i in range(depth + 1)]
        widths[-1] = hidden_channels or widths[-1]
        blocks = [_HalvingBlock(*pair) for pair in zip(widths[:-1], widths[1:], strict=True)]
        self.blocks = nn.Sequential(*blocks) if blocks else nn.Conv2d(student_channels, widths[-1], 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[-1], teacher_channels)

    def forward(self, student: Tensor) -> Tensor:
        """Classifies one student map; see the class for shapes.

        Raises:
            UserError: The input is not a map.
        """
        if student.dim() != 4:
            raise UserError(f'AuxiliaryHeadConnector expects a map (N, C, H, W), got {tuple(student.shape)}. '
                            "Tap a stage of the student, and give the tap 'logits' no connector (None).")
        return self.classifier(self.pool(self.blocks(student)).flatten(1))


class _HalvingBlock(nn.Sequential):
    """Two depthwise-separable 3×3 convolutions with batch norm and ReLU, the first of stride 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            *_separable(in_channels, in_channels, stride=2), *_separable(in_channels, out_channels, stride=1))


def _separable(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]
