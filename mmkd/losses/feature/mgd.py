"""Masked generative distillation."""
import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import COUNTS, check_arguments, number, one_of

from ..checks import Tensors, at_least_fp32, pair_tensors

MASKS = ('channel', 'spatial')
ADVICE = ("Add connector=dict(type='mmkd.ConvConnector') to the term where the widths differ; where the sizes do, tap "
          'other stages or set the input_size of the teacher.')


@MODELS.register_module()
class MGDLoss(nn.Module):
    r"""Masks the student's map and has a small generator restore the teacher's whole map from what is left.

    .. math:: \sum_l \frac{1}{N} \big\| G^l(M^l \odot S^l) - T^l \big\|_2^2, \quad
        G = \operatorname{conv}_{3\times3} \circ \operatorname{ReLU} \circ \operatorname{conv}_{3\times3}

    :math:`S` is the map after the term's connector, a 1×1 convolution; :math:`M` is drawn anew for each
    sample and step, 0 with probability :math:`\lambda` (``mask_ratio``) and else 1. The paper's
    :math:`\alpha` is the term's ``weight``: 7e-5 on ImageNet, 2e-5 for one-stage detectors and 5e-7 for
    two-stage ones, 2e-5 for segmentation. The sum over the elements makes it depend on the maps' size.

    Source: Yang et al., Masked Generative Distillation, ECCV 2022, arXiv 2205.01529.
    Differs from the authors' code: nothing in the formula. The paper describes masked pixels; the authors
    mask pixels for detection and segmentation (``mask='spatial'``), and whole channels for classification
    (``mask='channel'``, the default here). They leave the 1×1 convolution out where the widths are equal.

    Args:
        teacher_channels: Width of the teacher's map, or one width a stage. Inferred from the taps in a recipe.
        mask: ``'channel'`` masks whole channels, ``'spatial'`` positions across all channels.
        mask_ratio: :math:`\lambda`. 0.15 for classification, 0.65 and 0.45 for one-stage and two-stage
            detectors, 0.75 for segmentation.

    Shapes: student, teacher (N, C, H, W), or lists of such for several stages, which are summed.
    target is not used. Returns a scalar.
    """

    needs_target = False
    mixed_precision = True

    def __init__(self, teacher_channels: int | list[int], mask: str = 'channel', mask_ratio: float = 0.15) -> None:
        super().__init__()
        check_arguments(self, teacher_channels=(teacher_channels, COUNTS), mask=(mask, one_of(MASKS)),
                        mask_ratio=(mask_ratio, number(0, below=1)))
        self.mask = mask
        self.mask_ratio = mask_ratio
        widths = [teacher_channels] if isinstance(teacher_channels, int) else teacher_channels
        self.generators = nn.ModuleList(_generator(width) for width in widths)

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The numbers of maps or the shapes of two maps differ.
        """
        pairs = pair_tensors(self, student, teacher, equal='NCHW', advice=ADVICE)
        if len(pairs) != len(self.generators):
            raise UserError(f'MGDLoss expects as many maps as teacher_channels, which are {len(self.generators)}, got '
                            f'{len(pairs)}. Name as many taps, or leave teacher_channels out in a recipe.')
        return sum(self._one_stage(generator, *pair) for generator, pair in zip(self.generators, pairs, strict=True))

    def _one_stage(self, generator: nn.Module, student: Tensor, teacher: Tensor) -> Tensor:
        generated = at_least_fp32(generator(student * self._mask(student)))
        return (generated - teacher).square().sum() / len(student)

    def _mask(self, student: Tensor) -> Tensor:
        """Draws which channels (N, C, 1, 1) or positions (N, 1, H, W) stay."""
        samples, channels, height, width = student.shape
        shape = (samples, channels, 1, 1) if self.mask == 'channel' else (samples, 1, height, width)
        return torch.rand(shape, device=student.device) >= self.mask_ratio


def _generator(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, padding=1))
