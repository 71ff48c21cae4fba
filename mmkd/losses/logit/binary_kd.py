"""Knowledge distillation with one binary divergence a class."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import LABEL, check_arguments, one_of

from ..checks import Tensors, pair_logits
from ..ignored import IGNORED

REDUCTIONS = ('sum', 'mean')
ACTIVATIONS = ('softmax', 'sigmoid')


@MODELS.register_module()
class BinaryKDLoss(nn.Module):
    r"""Matches the student's sigmoid with the teacher's probability of each class, as binary distributions.

    .. math:: \frac{1}{N} \sum_n \sum_c p^t_c \log \frac{p^t_c}{p^s_c}
        + (1 - p^t_c) \log \frac{1 - p^t_c}{1 - p^s_c}, \qquad p^s = \sigma(s), \quad p^t = p(t)

    It is the soft-label partner of students that are trained with a binary cross entropy.

    Source: Hao et al., Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale, 2023,
    arXiv 2305.15781, Eq. 3.
    Differs from the authors' code: that is the mean over samples *and* classes (``reduction='mean'``) of the binary
    cross entropy, larger by the teacher's entropy, a constant: the gradient is the same.

    Args:
        reduction: Over classes: ``'sum'`` as in the paper, ``'mean'`` as in the authors' code.
        teacher_activation: ``'softmax'`` as in the paper, for classifiers; ``'sigmoid'`` for teachers of independent
            binary outputs, such as the objectness and class maps of detectors.
        ignore_index: Label of the pixels of a segmentor that have none.

    Shapes: student, teacher (N, C); dense logits (N, C, H, W) count every position as a sample, of a
    segmentor every one that has a label, as data_samples say; lists of such, one a level, are averaged. target is not
    used. Returns a scalar.

    Raises:
        UserError: An argument is none of its choices.
    """

    needs_target = False

    def __init__(self, reduction: str = 'sum', teacher_activation: str = 'softmax',
                 ignore_index: int = IGNORED) -> None:
        super().__init__()
        check_arguments(self, reduction=(reduction, one_of(REDUCTIONS)),
                        teacher_activation=(teacher_activation, one_of(ACTIVATIONS)),
                        ignore_index=(ignore_index, LABEL))
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.teacher_activation = teacher_activation
        self.softmax = teacher_activation == 'softmax'

    def refuses_topk(self) -> str:
        """Why the teacher's largest logits are not enough; see :mod:`mmkd.losses.served`."""
        return 'a sigmoid reads each logit by itself' if self.teacher_activation == 'sigmoid' else ''

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
        probability = teacher.softmax(dim=1) if self.teacher_activation == 'softmax' else teacher.sigmoid()
        entropy = -torch.xlogy(probability, probability) - torch.xlogy(1 - probability, 1 - probability)
        divergence = F.binary_cross_entropy_with_logits(student, probability, reduction='none') - entropy
        terms = len(divergence) if self.reduction == 'sum' else divergence.numel()
        return divergence.sum() / max(terms, 1)  # 0 where no position has a label
