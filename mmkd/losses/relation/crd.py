"""Contrastive distillation with memories of all training samples."""
import math

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import COUNT, TEMPERATURE, check_arguments, number

from ..checks import pair_features, shape_of


@MODELS.register_module()
class CRDLoss(nn.Module):
    r"""Tells the other model's embedding of the same sample from those of K others, for student and teacher alike.

    .. math:: -\frac{1}{B} \sum_b \Big[ \log \frac{P_{b0}}{P_{b0} + K/n}
        + \sum_{k=1}^{K} \log \frac{K/n}{P_{bk} + K/n} \Big], \quad P_{bk} = \frac{1}{Z} e^{v_b \cdot m_{bk} / T}

    summed over two sides: the student's embeddings :math:`v` against the teacher's memory :math:`m`, and the teacher's
    against the student's. :math:`m_{b0}` is the sample's own entry, the others are drawn uniformly among all
    :math:`n`, with replacement. Embeddings are linear and of unit length, and both are trained. :math:`Z` is set on
    the first batch to n times the mean exponential (averaged over processes) and then kept. After the scores are read,
    the entries of all processes' samples move towards the new embeddings; of a sample that occurs twice, the last
    counts. In eval mode nothing changes. The memories take 8 n · embedding bytes, also in checkpoints; a resumed
    training goes on with them, ``load_from`` starts them anew.

    Source: Tian et al., Contrastive Representation Distillation, ICLR 2020, arXiv 1910.10699, Eq. 18.
    Differs from the authors' code: no 1e-7 in the denominators; all processes share one memory. Their CIFAR recipe has
    the data loader draw the negatives among other classes, their loss alone draws as here.

    Args:
        num_samples: n, the number of training images: sample indices are below it.
        student_channels: Width of the student's features. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's features. Inferred from the tap in a recipe.
        embedding: Width of the embeddings and memories. 128 in the paper.
        negatives: K, below num_samples. 16384 in the paper.
        temperature: T. 0.07 in the authors' code.
        momentum: Share of the old entry when a memory is updated. 0.5 in the paper.

    Raises:
        UserError: An argument is out of range.

    Shapes: student (N, student_channels) or (N, student_channels, H, W), teacher likewise; indices (N,) int64; N is
    the same in all processes. target is not used. Returns a scalar.
    """

    needs_target = False
    averages_positions = True
    buffers_follow_teacher = True

    def __init__(self,
                 num_samples: int,
                 student_channels: int,
                 teacher_channels: int,
                 embedding: int = 128,
                 negatives: int = 16384,
                 temperature: float = 0.07,
                 momentum: float = 0.5) -> None:
        super().__init__()
        check_arguments(
            self, num_samples=(num_samples, COUNT), student_channels=(student_channels, COUNT),
            teacher_channels=(teacher_channels, COUNT), embedding=(embedding, COUNT), negatives=(negatives, COUNT),
            temperature=(temperature, TEMPERATURE), momentum=(momentum, number(0, below=1)))
        if negatives >= num_samples:
            raise UserError(f'CRDLoss expects 1 <= negatives < num_samples, got negatives={negatives} and num_samples='
                            f'{num_samples}. There are no more different negatives than other training images.')
        self.num_samples, self.negatives = num_samples, negatives
        self.temperature, self.momentum = temperature, momentum
        self.embed_student = nn.Linear(student_channels, embedding)
        self.embed_teacher = nn.Linear(teacher_channels, embedding)
        bound = math.sqrt(3 / embedding)  # entries have the length 1 on average
        for role in ('student', 'teacher'):
            self.register_buffer(f'memory_{role}', torch.empty(num_samples, embedding).uniform_(-bound, bound))
        self.register_buffer('log_z', torch.zeros(2))  # the student's side, the teacher's
        self.register_buffer('z_is_set', torch.tensor(False))

    def forward(self,
                student: Tensor,
                teacher: Tensor,
                target: Tensor | None = None,
                indices: Tensor | None = None) -> Tensor:
        """Computes the loss and, in train mode, updates the memories; see the class for shapes.

        Raises:
            UserError: The tensors are no features, the batch sizes differ, or the indices are missing or do not fit.
                Indices on an accelerator are not compared with num_samples: that would wait for it in every step.
        """
        student, teacher = pair_features(self, student, teacher)
        indices = self._checked(indices, student)
        student = F.normalize(self.embed_student(student), dim=1)
        teacher = F.normalize(self.embed_teacher(teacher), dim=1)
        drawn = torch.randint(self.num_samples, (len(student), self.negatives), device=student.device)
        candidates = torch.cat([indices.unsqueeze(1), drawn], dim=1)  # (N, 1 + K)
        scores = torch.stack([self._scores(student, self.memory_teacher, candidates),
                              self._scores(teacher, self.memory_student, candidates)])  # (2, N, 1 + K)
        # With r = log(P n / K), log P / (P + K/n) = logsigmoid(r) and log K/n / (P + K/n) = logsigmoid(-r).
        ratios = scores - self._log_z(scores.detach()).view(2, 1, 1) - math.log(self.negatives / self.num_samples)
        positive, negative = ratios.split([1, self.negatives], dim=2)
        loss = -(F.logsigmoid(positive).sum() + F.logsigmoid(-negative).sum()) / len(student)
        if self.training:
            self._update(student.detach(), teacher.detach(), indices)
        return loss

    def _checked(self, indices: Tensor | None, student: Tensor) -> Tensor:
        if indices is None:
            raise UserError("CRDLoss expects the index of each training image, got none. Keep 'sample_idx' among the "
                            "meta_keys of the pipeline's last transform; mmpretrain's PackInputs does by default.")
        if indices.shape != student.shape[:1] or indices.is_floating_point():
            raise UserError(f'CRDLoss expects one whole index for each of {len(student)} samples, got {indices.dtype} '
                            f'of shape {shape_of(indices)}.')
        if indices.device.type == 'cpu' and not 0 <= indices.min() <= indices.max() < self.num_samples:
            raise UserError(f'CRDLoss expects sample indices from 0 to {self.num_samples - 1}, got '
                            f'{indices.min()} to {indices.max()}. Set num_samples to the length of the training set.')
        return indices.to(student.device, torch.long, non_blocking=True)

    def _scores(self, anchors: Tensor, memory: Tensor, candidates: Tensor) -> Tensor:
        return (memory[candidates] @ anchors.unsqueeze(2)).squeeze(2) / self.temperature  # (N, 1 + K)

    def _log_z(self, scores: Tensor) -> Tensor:
        """The constants' logarithms (2,).

        Processes exchange them at every step: to ask whether they must would wait for the device.
        """
        own = scores.flatten(1).logsumexp(1) + math.log(self.num_samples / scores[0].numel())
        if not self.training:
            return torch.where(self.z_is_set, self.log_z, own)
        of_all = torch.stack(all_gather(own))  # (processes, 2)
        first = of_all.logsumexp(0) - math.log(len(of_all))
        self.log_z.copy_(torch.where(self.z_is_set, self.log_z, first))
        self.z_is_set.fill_(True)
        return self.log_z

    @torch.no_grad()
    def _update(self, student: Tensor, teacher: Tensor, indices: Tensor) -> None:
        """Moves the entries of all processes' samples, in the processes' order, so that all end up with the same."""
        student, teacher = torch.cat(all_gather(torch.stack([student, teacher], dim=1))).unbind(1)
        indices = torch.cat(all_gather(indices))
        # Equal indices write in no certain order on an accelerator, so all of them write the last one's value.
        order = torch.arange(len(indices), device=indices.device)
        last = order.new_zeros(self.num_samples).scatter_reduce(0, indices, order, 'amax')[indices]
        for memory, embeddings in ((self.memory_student, student), (self.memory_teacher, teacher)):
            entries = self.momentum * memory[indices] + (1 - self.momentum) * embeddings[last]
            memory.index_copy_(0, indices, F.normalize(entries, dim=1))
