"""Distillation of the correlation between samples."""
import math

import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import COUNT, check_arguments, number, one_of, whole

from ..checks import pair_features

VARIANTS = ('pairwise', 'kernel')
MOST_GAMMA = 40.  # the kernel of opposite samples is still more than 0 in fp32


@MODELS.register_module()
class CCLoss(nn.Module):
    r"""Makes the samples of a batch relate to each other as they do for the teacher.

    .. math:: L_{pairwise} = \frac{1}{N-1} \sum_{n=1}^{N-1} \sum_k d_{nk}\, d_{n+1,k}, \quad d = |e_s - e_t|

    .. math:: L_{kernel} = \frac{1}{N^2} \sum_{ij} (K^s_{ij} - K^t_{ij})^2, \quad
        K_{ij} = e^{-2\gamma} \sum_{p=0}^{P} \frac{(2\gamma)^p}{p!} (\hat x_i \cdot \hat x_j)^p

    :math:`e_s, e_t` are linear embeddings to a common width, both trained. :math:`K` is the Gaussian kernel
    :math:`\exp(-\gamma \|\hat x_i - \hat x_j\|^2)` of the features, scaled to unit length, expanded to order
    :math:`P`; it compares features of any two widths and needs no embedding.

    Source: Peng et al., Correlation Congruence for Knowledge Distillation, ICCV 2019, arXiv 1904.01802: the kernel
    variant is the paper's, the pairwise one the authors' code as others run it (Tian et al., 2020, arXiv 1910.10699).
    Differs from the authors' code: maps are averaged over positions first, not flattened.

    Args:
        student_channels: Width of the student's features. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's features. Inferred from the tap in a recipe.
        embedding: Width of the embeddings of the pairwise variant. 128 in Tian et al.
        variant: ``'pairwise'`` (usual weight 0.02) or ``'kernel'``.
        gamma: :math:`\gamma` of the kernel.
        order: :math:`P` of the kernel.

    Shapes: student (N, student_channels) or (N, student_channels, H, W), teacher likewise. target is not used.
    Returns a scalar; the pairwise variant is 0 for a batch of one.
    """

    needs_target = False
    averages_positions = True

    def __init__(self,
                 student_channels: int,
                 teacher_channels: int,
                 embedding: int = 128,
                 variant: str = 'pairwise',
                 gamma: float = 0.4,
                 order: int = 2) -> None:
        super().__init__()
        check_arguments(
            self, student_channels=(student_channels, COUNT), teacher_channels=(teacher_channels, COUNT),
            embedding=(embedding, COUNT), variant=(variant, one_of(VARIANTS)),
            gamma=(gamma, number(above=0, high=MOST_GAMMA)), order=(order, whole(1, 100)))
        self.variant = variant
        self.gamma = gamma
        self.order = order
        if variant == 'pairwise':
            self.embed_student = nn.Linear(student_channels, embedding)
            self.embed_teacher = nn.Linear(teacher_channels, embedding)

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The tensors are no features, or the batch sizes differ.
        """
        student, teacher = pair_features(self, student, teacher)
        if self.variant == 'kernel':
            return F.mse_loss(self._kernel(student), self._kernel(teacher))
        distance = (self.embed_student(student) - self.embed_teacher(teacher)).abs()
        return (distance[:-1] * distance[1:]).sum() / max(len(distance) - 1, 1)

    def _kernel(self, features: Tensor) -> Tensor:
        squares = features.square().sum(dim=1, keepdim=True)
        # A row of zeros has no direction; dividing it by a tiny length would give it a huge gradient.
        unit = (features / squares.where(squares > 0, 1.).sqrt()).where(squares > 0, 0.)
        cosines = unit @ unit.T  # (N, N)
        series = sum((2 * self.gamma)**p / math.factorial(p) * cosines**p for p in range(self.order + 1))
        return math.exp(-2 * self.gamma) * series
