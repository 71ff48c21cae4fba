"""Focal and global distillation of detectors."""
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import COUNTS, NON_NEGATIVE, TEMPERATURE, check_arguments

from ..boxes import box_masks
from ..checks import Tensors, pair_tensors

ADVICE = ("Add connector=dict(type='mmkd.ConvConnector') to the term where the widths differ; where "
          'the sizes do, tap levels of the same stride, and give both models images of the same size.')


@MODELS.register_module()
class FGDLoss(nn.Module):
    r"""Matches a detector's features in the boxes and around them under the teacher's attention, and their relations.

    .. math:: \sum_l \alpha \sum M^F A^T \big(S - T\big)^2 + \beta \sum M^B A^T \big(S - T\big)^2
        + \gamma \big( \|A_{spatial}^S - A_{spatial}^T\|_1 + \|A_{channel}^S - A_{channel}^T\|_1 \big)
        + \lambda \big\| R_s(S) - R_t(T) \big\|_2^2

    Everything is summed over the elements and averaged over the images. :math:`A_{spatial}` is :math:`HW` times the
    softmax over the positions of the mean of :math:`|F|` over the channels, divided by ``temperature``;
    :math:`A_{channel}` likewise, :math:`C` times; :math:`A^T` their product. :math:`M^F` is one
    divided by the area of the smallest box at a position, :math:`M^B` one divided by the area outside of all boxes.
    :math:`R` adds a global context to every position (a GcBlock); both :math:`R_s` and :math:`R_t` are parameters of
    the loss, which are trained.

    Source: Yang et al., Focal and Global Knowledge Distillation for Detectors, CVPR 2022, arXiv 2111.11837.
    Differs from the authors' code: boxes are scaled by the size of the padded image, which the map shows; theirs are by
    that before padding. Theirs has a 1×1 convolution where the widths differ; here that is the term's connector.

    Args:
        teacher_channels: Width of the teacher's map, or one width a level. Inferred from the taps in a recipe.
        temperature: Softening of the attentions. 0.5; for FCOS 0.8.
        alpha: :math:`\alpha`, of the foreground. 1e-3 for RetinaNet, 5e-5 for two-stage detectors, 1.6e-3 for FCOS.
        beta: :math:`\beta`, of the background. 5e-4, 2.5e-5 and 8e-4.
        gamma: :math:`\gamma`, of the attentions. 5e-4 in the configs of RetinaNet (1e-3 in the paper and the default
            of the code), 5e-5 and 8e-4.
        lambda_: :math:`\lambda`, of the relations. 5e-6, 5e-7 and 8e-6.

    Shapes: student, teacher (N, C, H, W), or lists of such, one a level, which are summed. data_samples are mmdet's,
    with boxes. target is not used. Returns a scalar.
    """

    needs_target = False

    def __init__(self, teacher_channels: int | list[int], temperature: float = 0.5, alpha: float = 1e-3,
                 beta: float = 5e-4, gamma: float = 1e-3, lambda_: float = 5e-6) -> None:
        super().__init__()
        weights = dict(alpha=alpha, beta=beta, gamma=gamma, lambda_=lambda_)
        check_arguments(self, teacher_channels=(teacher_channels, COUNTS), temperature=(temperature, TEMPERATURE),
                        **{name: (value, NON_NEGATIVE) for name, value in weights.items()})
        self.temperature = temperature
        self.alpha, self.beta, self.gamma, self.lambda_ = alpha, beta, gamma, lambda_
        widths = [teacher_channels] if isinstance(teacher_channels, int) else teacher_channels
        self.student_relations = nn.ModuleList(_GlobalContext(width) for width in widths)
        self.teacher_relations = nn.ModuleList(_GlobalContext(width) for width in widths)

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None,
                data_samples: list | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The numbers of maps or the shapes of two maps differ, or the samples have no boxes.
        """
        pairs = pair_tensors(self, student, teacher, equal='NCHW', advice=ADVICE)
        if len(pairs) != len(self.student_relations):
            raise UserError(f'FGDLoss expects as many maps as teacher_channels, which are '
                            f'{len(self.student_relations)}, got {len(pairs)}. Name as many taps, or leave '
                            'teacher_channels out in a recipe.')
        return sum(self._one_level(level, *pair, data_samples) for level, pair in enumerate(pairs))

    def _one_level(self, level: int, student: Tensor, teacher: Tensor, data_samples: list | None) -> Tensor:
        foreground, background = box_masks(self, data_samples, teacher)
        (s_spatial, s_channel), (t_spatial, t_channel) = self._attention(student), self._attention(teacher)
        weight = t_spatial * (self.alpha * foreground + self.beta * background)  # (N, H, W)
        features = ((student - teacher).square() * t_channel[..., None, None] * weight[:, None]).sum()
        attentions = (s_spatial - t_spatial).abs().sum() + (s_channel - t_channel).abs().sum()
        relations = (self.student_relations[level](student) - self.teacher_relations[level](teacher)).square().sum()
        return (features + self.gamma * attentions + self.lambda_ * relations) / len(student)

    def _attention(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """The attention of the positions (N, H, W) and of the channels (N, C)."""
        size, (channels, height, width) = maps.abs(), maps.shape[1:]
        spatial = (size.mean(1).flatten(1) / self.temperature).softmax(1) * (height * width)
        return spatial.unflatten(1, (height, width)), (size.mean((2, 3)) / self.temperature).softmax(1) * channels


class _GlobalContext(nn.Module):
    """Adds to every position what a small network makes of the map's mean under a learned attention.

    Args:
        width: Channels of the map.

    Shapes: (N, C, H, W) → the same.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(width // 2, 1)
        self.mask = nn.Conv2d(width, 1, 1)
        self.transform = nn.Sequential(
            nn.Conv2d(width, inner, 1), nn.LayerNorm([inner, 1, 1]), nn.ReLU(inplace=True), nn.Conv2d(inner, width, 1))
        nn.init.kaiming_normal_(self.mask.weight)
        for tensor in (self.mask.bias, self.transform[-1].weight, self.transform[-1].bias):
            nn.init.zeros_(tensor)  # at the start nothing is added

    def forward(self, maps: Tensor) -> Tensor:
        """See the class."""
        attention = self.mask(maps).flatten(2).softmax(2)  # (N, 1, H·W)
        context = (maps.flatten(2) @ attention.transpose(1, 2)).unsqueeze(3)  # (N, C, 1, 1)
        return maps + self.transform(context)
