"""Distillation with the target and the other classes decoupled."""
import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import NON_NEGATIVE, TEMPERATURE, check_arguments

from ..checks import mean_of_labelled, non_target, pair_logits, target_index
from ..served import refuses_temperature


@MODELS.register_module()
class DKDLoss(nn.Module):
    r"""Matches how much goes to the target, and how the rest is divided, as two divergences with their own weights.

    .. math:: T^2 \cdot \frac{1}{N} \sum_n \alpha\, KL(b^t_n \,\|\, b^s_n) + \beta\, KL(\hat p^t_n \,\|\, \hat p^s_n)

    :math:`b` is the pair of probabilities (target, all others), :math:`\hat p` the softmax over the C-1 other
    logits, both at temperature :math:`T`. With two classes the second part is 0.

    Source: Zhao et al., Decoupled Knowledge Distillation, 2022, arXiv 2203.08679, Eq. 7.
    Differs from the authors' code: the others' share is a logsumexp of logits, where they take the log of a sum of
    probabilities, infinite for a student that is confident and right. Their warm-up of the weight over epochs is
    not here.

    Args:
        alpha: Weight of the target's part. 1 in the paper.
        beta: Weight of the part among the others. 0.5 on ImageNet, 2 in Hao et al., 2023 (arXiv 2305.15781), up to
            8 on CIFAR-100.
        temperature: :math:`T` of both parts. 1 on ImageNet, 4 on CIFAR-100.

    Shapes: student, teacher (N, C); target (N,) or (N, C), of which the argmax is taken. Returns a scalar.
    """

    needs_target = True
    softmax = True

    def __init__(self, alpha: float = 1.0, beta: float = 2.0, temperature: float = 1.0) -> None:
        super().__init__()
        check_arguments(self, alpha=(alpha, NON_NEGATIVE), beta=(beta, NON_NEGATIVE),
                        temperature=(temperature, TEMPERATURE))
        self.alpha = alpha
        self.beta = beta
        self.temperature = temperature

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
        binary_student, others_student = self._decouple(student, index)
        binary_teacher, others_teacher = self._decouple(teacher, index)
        divergence = (self.alpha * _divergence(binary_teacher, binary_student, labelled)
                      + self.beta * _divergence(others_teacher, others_student, labelled))
        return self.temperature**2 * divergence

    def _decouple(self, logits: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of target and rest, (N, 2), and among the rest, (N, C-1)."""
        logits = logits / self.temperature
        others = non_target(logits, index)
        pair = torch.cat([logits.gather(1, index.unsqueeze(1)), others.logsumexp(dim=1, keepdim=True)], dim=1)
        return pair.log_softmax(dim=1), others.log_softmax(dim=1)


def _divergence(log_teacher: Tensor, log_student: Tensor, labelled: Tensor) -> Tensor:
    return mean_of_labelled((log_teacher.exp() * (log_teacher - log_student)).sum(dim=1), labelled)
