"""Channel-wise knowledge distillation."""
import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import FLAG, LABEL, TEMPERATURE, check_arguments

from ..checks import Tensors, pair_tensors
from ..ignored import IGNORED, kept_positions

ADVICE = ('For class maps give both models the same classes; for features add '
          "connector=dict(type='mmkd.ConvConnector') to the term where the widths differ. Where the sizes do, tap "
          'levels of the same stride, and give both models images of the same size.')


@MODELS.register_module()
class CWDLoss(nn.Module):
    r"""Matches where each channel of a map is active: every channel is a distribution over the positions.

    .. math:: \sum_l \frac{T^2}{N C} \sum_n \sum_c KL\big(\phi(t_{n,c}) \,\|\, \phi(s_{n,c})\big), \qquad
        \phi(x)_i = \frac{\exp(x_i / T)}{\sum_j \exp(x_j / T)}

    The sums in :math:`\phi` go over the positions, so that what is strong in a channel counts most. Positions without a
    label are left out of a segmentor's maps, and an image without any labelled position out of the mean.

    Source: Shu et al., Channel-wise Knowledge Distillation for Dense Prediction, ICCV 2021, arXiv 2011.13256, Eq. 4.
    Differs from the authors' code: they keep the positions without a label (``keep_ignored=True``).

    Args:
        temperature: :math:`T`. 4 in the paper; the public configs of mmrazor have 1, with a weight of 5 for the logits
            of PSPNet.
        keep_ignored: Whether positions without a label count as well.
        ignore_index: The label of pixels that have none.

    Shapes: student, teacher (N, C, H, W), logits or features, or lists of such, one a level, which are summed.
    data_samples with a label map each (gt_sem_seg) say what is ignored. target is not used. Returns a scalar.
    """

    needs_target = False

    def __init__(self, temperature: float = 4.0, keep_ignored: bool = False, ignore_index: int = IGNORED) -> None:
        super().__init__()
        check_arguments(self, temperature=(temperature, TEMPERATURE), keep_ignored=(keep_ignored, FLAG),
                        ignore_index=(ignore_index, LABEL))
        self.temperature = temperature
        self.keep_ignored = keep_ignored
        self.ignore_index = ignore_index

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None,
                data_samples: list | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The numbers of maps or the shapes of two maps differ.
        """
        samples = None if self.keep_ignored else data_samples
        return sum(self._one_level(s, t, kept_positions(self, samples, s, self.ignore_index))
                   for s, t in pair_tensors(self, student, teacher, equal='NCHW', advice=ADVICE))

    def _one_level(self, student: Tensor, teacher: Tensor, kept: Tensor | None) -> Tensor:
        student, teacher = (maps.flatten(2) / self.temperature for maps in (student, teacher))  # (N, C, H·W)
        images = student.new_ones(len(student))
        if kept is not None:
            kept = kept.flatten(2)  # (N, 1, H·W)
            has_labels = kept.any(2, keepdim=True)
            outside = ~kept & has_labels  # an image without labels keeps its positions, and does not count
            # Finite, so that 0 times the difference of two logarithms is 0
            student, teacher = (maps.masked_fill(outside, torch.finfo(maps.dtype).min / 4)
                                for maps in (student, teacher))
            images = has_labels.flatten().to(student.dtype)
        log_student, log_teacher = student.log_softmax(dim=2), teacher.log_softmax(dim=2)
        divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=2).mean(dim=1)  # (N, )
        return self.temperature**2 * (divergence * images).sum() / images.sum().clamp(min=1)
