"""Distillation by correlation, within and between samples."""
import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import LABEL, NON_NEGATIVE, TEMPERATURE, check_arguments

from ..checks import Tensors, pair_logits
from ..ignored import IGNORED
from ..served import refuses_temperature


@MODELS.register_module()
class DISTLoss(nn.Module):
    r"""Asks for correlated rather than equal probabilities, over the classes and over the batch.

    .. math:: \tau^2 \Big[ \beta \big(1 - \frac{1}{N} \sum_n \rho(P^s_{n,:}, P^t_{n,:})\big)
        + \gamma \big(1 - \frac{1}{C} \sum_c \rho(P^s_{:,c}, P^t_{:,c})\big) \Big], \qquad
        \rho(a, b) = \frac{\langle a - \bar a,\, b - \bar b \rangle}{\|a - \bar a\| \|b - \bar b\| + \epsilon}

    :math:`P` is the matrix (N, C) of probabilities at temperature :math:`\tau`. A vector that is constant, up to
    rounding, has no correlation: it counts as 0 and gets no gradient (with a batch of one all columns do).

    Source: Huang et al., Knowledge Distillation from A Stronger Teacher, 2022, arXiv 2205.10536.
    Differs from the authors' code: only for constant vectors, whose gradient there is of the order of 1/eps.

    Args:
        beta: Weight of the relation between classes, within a sample. 1 on ImageNet, where the term's weight is 2.
        gamma: Weight of the relation between samples, within a class. 1 on ImageNet.
        temperature: :math:`\tau`. 1 on ImageNet.
        eps: Added to the product of the norms.
        ignore_index: Label of the pixels of a segmentor that have none.

    Shapes: student, teacher (N, C); dense logits (N, C, H, W) count every position as a sample, of a
    segmentor every one that has a label, as data_samples say; lists of such, one a level, are averaged. target is not
    used. Returns a scalar.
    """

    needs_target = False
    softmax = True

    def __init__(self, beta: float = 1.0, gamma: float = 1.0, temperature: float = 1.0, eps: float = 1e-8,
                 ignore_index: int = IGNORED) -> None:
        super().__init__()
        check_arguments(self, beta=(beta, NON_NEGATIVE), gamma=(gamma, NON_NEGATIVE),
                        temperature=(temperature, TEMPERATURE), eps=(eps, NON_NEGATIVE),
                        ignore_index=(ignore_index, LABEL))
        self.ignore_index = ignore_index
        self.beta = beta
        self.gamma = gamma
        self.temperature = temperature
        self.eps = eps

    def refuses_topk(self) -> str:
        """Why the teacher's largest logits are not enough; see :mod:`mmkd.losses.served`."""
        return 'it correlates each class over the samples' if self.gamma else refuses_temperature(self.temperature)

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
        if not len(student):  # no position has a label
            return student.sum()
        student = (student / self.temperature).softmax(dim=1)
        teacher = (teacher / self.temperature).softmax(dim=1)
        between_classes = 1 - self._correlation(student, teacher).mean()
        between_samples = 1 - self._correlation(student.t(), teacher.t()).mean()
        return self.temperature**2 * (self.beta * between_classes + self.gamma * between_samples)

    def _correlation(self, student: Tensor, teacher: Tensor) -> Tensor:
        student, teacher = _centred(student), _centred(teacher)
        return (student * teacher).sum(dim=1) / (student.norm(dim=1) * teacher.norm(dim=1) + self.eps)


def _centred(vectors: Tensor) -> Tensor:
    """Subtracts each row's mean; what is left of a constant row is rounding, and is set to zero."""
    centred = vectors - vectors.mean(dim=1, keepdim=True)
    rounding = 8 * torch.finfo(vectors.dtype).eps * vectors.norm(dim=1, keepdim=True)
    return centred.masked_fill(centred.norm(dim=1, keepdim=True) <= rounding, 0.)
