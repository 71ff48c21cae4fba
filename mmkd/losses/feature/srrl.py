"""Softmax regression representation learning."""
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import NON_NEGATIVE, check_arguments

from ..checks import LOGITS, at_least_fp32, pair_tensors, shape_of, tensors_of

ADVICE = ("Tap the student's last stage as a string and add connector=dict(type='mmkd.ConvConnector', norm=True, "
          'act=True) to the term.')


@MODELS.register_module()
class SRRLLoss(nn.Module):
    r"""Has the student's last features, read by the teacher's own classifier, give the teacher's logits.

    .. math:: \alpha\, \operatorname{mse}\big(\bar s, \bar t\big)
        + \beta\, \operatorname{mse}\big(W_t(s), z_t\big)

    :math:`s` is the student's map after the term's connector (1×1 convolution, batch norm and ReLU) and
    :math:`\bar s` its spatial mean, :math:`\bar t` that of the teacher's map; :math:`W_t` is what the teacher does
    after its last stage, pooling and classifier, frozen, with the gradient passing through; :math:`z_t` are the
    teacher's logits. Both errors are means over all elements.

    Source: Yang et al., Knowledge Distillation via Softmax Regression Representation Learning, ICLR 2021.
    Differs from the authors' code: nothing in the formula; their option ``weight`` is ``beta``, and
    :math:`\alpha` is fixed at 1. A norm between the last stage and the linear layer, which the authors'
    ResNets do not have, belongs to :math:`W_t`.

    Args:
        alpha: Weight of the features. 1 on ImageNet.
        beta: Weight of the logits. 1 on ImageNet.

    Shapes: student (N, C, H, W); teacher a list of its last map (N, C, H', W') and its logits (N, K).
    target is not used. Returns a scalar.
    """

    needs_target = False
    teacher_parts = ('classifier', )

    def __init__(self, alpha: float = 1.0, beta: float = 1.0) -> None:
        super().__init__()
        check_arguments(self, alpha=(alpha, NON_NEGATIVE), beta=(beta, NON_NEGATIVE))
        self.alpha = alpha
        self.beta = beta
        self._teacher_classifier: Callable[[Tensor], Tensor] | None = None

    def bind(self, teacher_classifier: Callable[[Tensor], Tensor]) -> None:
        """Takes what the teacher does after its last stage.

        Args:
            teacher_classifier: From a map (N, C, H, W) of the teacher's last stage to its logits (N, K).
        """
        self._teacher_classifier = teacher_classifier

    def forward(self, student: Tensor, teacher: list[Tensor], target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The loss has no classifier, or a tensor another shape than the class says.
        """
        if self._teacher_classifier is None:
            raise UserError("SRRLLoss expects the teacher's classifier, got none. Use it in a term of a "
                            'mmkd.Distiller, or call bind(teacher_classifier=…) first.')
        if not isinstance(teacher, list | tuple) or [part.dim() for part in teacher] != [4, 2]:
            raise UserError("SRRLLoss expects the teacher's last map (N, C, H, W) and its logits (N, K), got "
                            f"{shape_of(teacher)}. Tap both: teacher=['stage4', 'logits'] (or the last stage it has).")
        (student, teacher_map), = pair_tensors(self, student, teacher[0], equal='NC', several=False, advice=ADVICE)
        teacher_logits, = tensors_of(self, 'teacher', teacher[1], LOGITS)
        feature_part = F.mse_loss(student.mean(dim=(2, 3)), teacher_map.mean(dim=(2, 3)))
        logits = at_least_fp32(self._teacher_classifier(student))
        logit_part = F.mse_loss(logits, teacher_logits)
        return self.alpha * feature_part + self.beta * logit_part
