"""Knowledge distillation with softened softmax outputs."""
import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import LABEL, TEMPERATURE, check_arguments

from ..checks import Tensors, pair_logits
from ..ignored import IGNORED
from ..served import refuses_temperature


@MODELS.register_module()
class KDLoss(nn.Module):
    r"""Matches the student's softened class probabilities with the teacher's.

    .. math:: T^2 \cdot \frac{1}{N} \sum_n KL\big(p(t_n / T) \,\|\, p(s_n / T)\big)

    The mix with the hard label, :math:`(1-\lambda)\,CE + \lambda\,KD`, is written in the recipe as
    ``task_weight=1-λ`` and the term's ``weight=λ``.

    Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015, arXiv 1503.02531;
    Eq. 3 of Huang et al., Are Large Kernels Better Teachers than Transformers for ConvNets?, 2023.
    Differs from the authors' code: nothing (a cross entropy instead of the divergence, as some
    implementations have it, gives the same gradient).

    Args:
        temperature: Softening :math:`T` of both distributions. Huang et al. sweep {1, 2, 5, 10, 20}.
        ignore_index: Label of the pixels of a segmentor that have none.

    Shapes: student, teacher (N, C); dense logits (N, C, H, W) count every position as a sample, of a
    segmentor every one that has a label, as data_samples say; lists of such, one a level, are averaged. target is not
    used. Returns a scalar.
    """

    needs_target = False
    softmax = True

    def __init__(self, temperature: float = 1.0, ignore_index: int = IGNORED) -> None:
        super().__init__()
        check_arguments(self, temperature=(temperature, TEMPERATURE), ignore_index=(ignore_index, LABEL))
        self.temperature = temperature
        self.ignore_index = ignore_index

    def refuses_topk(self) -> str:
        """Why the teacher's largest logits are not enough; see :mod:`mmkd.losses.served`."""
        return refuses_temperature(self.temperature)

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None,
                data_samples: list | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The logits differ in number or in shape.
        """
        pairs = pair_logits(self, student, teacher, data_samples=data_samples, ignore_index=self.ignore_index)
        levels = [self._one_level(*pair) for pair in pairs]
        return sum(levels) / len(levels)

    def _one_level(self, student: Tensor, teacher: Tensor) -> Tensor:
        log_student = torch.log_softmax(student / self.temperature, dim=1)
        log_teacher = torch.log_softmax(teacher / self.temperature, dim=1)
        divergence = (log_teacher.exp() * (log_teacher - log_student)).sum(dim=1)
        return self.temperature**2 * divergence.sum() / max(len(divergence), 1)  # 0 where no position has a label
