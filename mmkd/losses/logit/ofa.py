"""Distillation in the logits space at every stage, with the target enhanced."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import TEMPERATURE, check_arguments, number, one_of

from ..checks import Tensors, mean_of_labelled, pair_logits, target_index
from ..served import refuses_temperature

ENHANCEMENTS = ('all', 'target')
MOST_GAMMA = 100.  # 2 to this power, the weight of a target that the teacher is sure of, is finite in fp32


@MODELS.register_module()
class OFALoss(nn.Module):
    r"""Matches the teacher's probabilities from several places of the student, the target's share raised.

    .. math:: -\frac{1}{N} \sum_k \sum_n \sum_c w_{nc} \log p(s^k_n / T)_c, \qquad
        w = \big(p(t / T) + y\big)^\gamma - y

    :math:`y` is the one-hot target and :math:`s^k` the student's logits or those of an auxiliary head on one of its
    stages (:class:`AuxiliaryHeadConnector`), which puts student and teacher of different kinds into one space.
    :math:`\gamma = 1` is a cross entropy with the teacher; :math:`\gamma > 1` raises the target's weight and lowers the
    others'. The hard-label term of the paper is the student's own loss (``task_weight=1``).

    Source: Hao et al., One-for-All: Bridge the Gap Between Heterogeneous Architectures in Knowledge Distillation,
    2023, arXiv 2310.19444.
    Differs from the authors' code: nothing (its option ``ofa-eps`` is :math:`\gamma`, one for all stages here). The
    paper's text raises the target's factor alone: ``enhanced='target'``.

    Args:
        gamma: Exponent of the enhancement. 1.5 on ImageNet, 1 on CIFAR-100.
        temperature: Softening :math:`T` of both distributions. 1 in the paper.
        enhanced: ``'all'`` raises every class's :math:`p + y` as the authors' code does, ``'target'`` the target's
            alone.

    Shapes: student (N, C), or a list of such, which are summed; teacher (N, C); target (N,) or (N, C), of which the
    argmax is taken. Returns a scalar.

    Raises:
        UserError: ``enhanced`` is neither.
    """

    needs_target = True
    softmax = True

    def __init__(self, gamma: float = 1.5, temperature: float = 1.0, enhanced: str = 'all') -> None:
        super().__init__()
        check_arguments(self, gamma=(gamma, number(above=0, high=MOST_GAMMA)), temperature=(temperature, TEMPERATURE),
                        enhanced=(enhanced, one_of(ENHANCEMENTS)))
        self.gamma = gamma
        self.temperature = temperature
        self.enhanced = enhanced

    def refuses_topk(self) -> str:
        """Why the teacher's largest logits are not enough; see :mod:`mmkd.losses.served`."""
        return refuses_temperature(self.temperature)

    def forward(self, student: Tensors, teacher: Tensor, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: There are no student logits, logits differ in shape, or there is no target.
        """
        pairs = pair_logits(self, student, teacher, dense=False, one_teacher=True)
        teacher = pairs[0][1]
        index, labelled = target_index(self, target, teacher)
        weights = self._weights(teacher, index)
        return sum(self._one_place(logits, weights, labelled) for logits, _ in pairs)

    def _weights(self, teacher: Tensor, index: Tensor) -> Tensor:
        probability = (teacher / self.temperature).softmax(dim=1)
        one_hot = F.one_hot(index, teacher.shape[1]).to(probability.dtype)
        raised = (probability + one_hot)**self.gamma - one_hot
        return raised if self.enhanced == 'all' else torch.where(one_hot > 0, raised, probability)

    def _one_place(self, student: Tensor, weights: Tensor, labelled: Tensor) -> Tensor:
        log_student = (student / self.temperature).log_softmax(dim=1)
        return -mean_of_labelled((weights * log_student).sum(dim=1), labelled)
