"""Distillation with normalised non-target probabilities."""
import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import NON_NEGATIVE, TEMPERATURE, check_arguments

from ..checks import mean_of_labelled, pair_logits, target_index
from ..served import refuses_temperature


@MODELS.register_module()
class NKDLoss(nn.Module):
    r"""Weighs the target's log-probability by the teacher's, and matches the other classes among themselves.

    .. math:: -\frac{1}{N}\sum_n p(t_n)_y \log p(s_n)_y
        \;-\; \gamma T^2 \frac{1}{N}\sum_n \sum_{i \ne y} \hat T_i \log \hat S_i

    :math:`\hat T, \hat S` are softmaxes at temperature :math:`T` over the C-1 non-target logits; the
    target part is untempered and its weight :math:`p(t)_y` carries no gradient. The hard-label term
    :math:`-\log p(s)_y` of Eq. 4 is the student's own loss (``task_weight=1``).

    Source: Yang et al., Rethinking Knowledge Distillation via Cross-Entropy, 2022, arXiv 2208.10139;
    Eq. 4 of Huang et al., Are Large Kernels Better Teachers than Transformers for ConvNets?, 2023.
    Differs from the authors' code: nothing in the formula. Huang et al.'s training engine leaves the
    hard-label term out: that is ``task_weight=0`` with ``gamma=1``.

    Args:
        temperature: :math:`T` of the non-target part. 1 on ImageNet, 3 on CIFAR.
        gamma: Weight of the non-target part. 1.5 on ImageNet, 3.5 on CIFAR.

    Shapes: student, teacher (N, C); target (N,) or (N, C), of which the argmax is taken. Returns a scalar.
    """

    needs_target = True
    softmax = True

    def __init__(self, temperature: float = 1.0, gamma: float = 1.5) -> None:
        super().__init__()
        check_arguments(self, temperature=(temperature, TEMPERATURE), gamma=(gamma, NON_NEGATIVE))
        self.temperature = temperature
        self.gamma = gamma

    def refuses_topk(self) -> str:
        """Why the teacher's largest logits are not enough; see :mod:`mmkd.losses.served`."""
        return refuses_temperature(self.temperature)

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The logits differ in shape, have fewer than two classes, or there is no target.
        """
        (student, teacher), = pair_logits(self, student, teacher, dense=False)
        index, labelled = target_index(self, target, student)
        index = index.unsqueeze(1)  # (N, 1)
        log_student_target = torch.log_softmax(student, dim=1).gather(1, index)
        teacher_target = torch.softmax(teacher, dim=1).gather(1, index)
        target_part = -mean_of_labelled((teacher_target * log_student_target).squeeze(1), labelled)

        is_target = torch.zeros_like(student, dtype=torch.bool).scatter(1, index, True)
        log_student = self._log_softmax_of_others(student, is_target)
        log_teacher = self._log_softmax_of_others(teacher, is_target)
        # The excluded class has log-probability -inf; 0 keeps it out of the sum without a NaN.
        products = log_teacher.exp() * log_student.masked_fill(is_target, 0.)
        return target_part - self.gamma * self.temperature**2 * mean_of_labelled(products.sum(dim=1), labelled)

    def _log_softmax_of_others(self, logits: Tensor, excluded: Tensor) -> Tensor:
        return torch.log_softmax((logits / self.temperature).masked_fill(excluded, float('-inf')), dim=1)
