"""Feature distillation against a whitened teacher."""
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils.building.arguments import NON_NEGATIVE, check_arguments, one_of
from mmkd.utils.sizes import resized

from ..checks import Tensors, pair_tensors

WHITENINGS = ('channel', 'all', 'none')
ADVICE = "Add connector=dict(type='mmkd.ConvConnector') to the term, and tap maps on both sides."


@MODELS.register_module()
class FDLoss(nn.Module):
    r"""Matches the student's projected feature maps with the teacher's whitened ones by a smooth L1.

    .. math:: \sum_l \operatorname{mean}\, \ell_\beta\big(g(S^l) - \operatorname{norm}(T^l)\big), \quad
        \ell_\beta(d) = \begin{cases} d^2 / 2\beta & |d| \le \beta \\ |d| - \beta/2 & |d| > \beta \end{cases}

    :math:`g` is the term's connector, a 1×1 convolution; :math:`\operatorname{norm}` a layer norm without
    scale and bias. A student map of another size is resized to the teacher's (bilinear).

    Source: Wei et al., Contrastive Learning Rivals Masked Image Modeling in Fine-tuning via Feature
    Distillation, 2022, arXiv 2205.14141; Eq. 5 of Huang et al., Are Large Kernels Better Teachers than
    Transformers for ConvNets?, 2023.
    Differs from the authors' code: Huang et al.'s engine builds a layer norm over (C, H, W) and never
    applies it (``whitening='none'``; with it applied, ``'all'``). The default follows Wei et al.

    Args:
        beta: Where the loss turns from quadratic to linear. 2 in both papers.
        whitening: ``'channel'`` normalises over channels at each position, ``'all'`` over (C, H, W),
            ``'none'`` leaves the teacher's map as it is.
        eps: Added to the variance of the whitening.

    Shapes: student, teacher (N, C, H, W), or lists of such for several stages, which are summed.
    target is not used. Returns a scalar.
    """

    needs_target = False

    def __init__(self, beta: float = 2.0, whitening: str = 'channel', eps: float = 1e-5) -> None:
        super().__init__()
        check_arguments(self, beta=(beta, NON_NEGATIVE), whitening=(whitening, one_of(WHITENINGS)),
                        eps=(eps, NON_NEGATIVE))
        self.beta = beta
        self.whitening = whitening
        self.eps = eps

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The numbers of maps, the batch sizes or the channels differ.
        """
        pairs = pair_tensors(self, student, teacher, equal='NC', advice=ADVICE)
        return sum(self._one_stage(s, t) for s, t in pairs)

    def _one_stage(self, student: Tensor, teacher: Tensor) -> Tensor:
        return F.smooth_l1_loss(resized(student, teacher.shape[2:]), self._whiten(teacher), beta=self.beta)

    def _whiten(self, teacher: Tensor) -> Tensor:
        if self.whitening == 'none':
            return teacher
        if self.whitening == 'all':
            return F.layer_norm(teacher, teacher.shape[1:], eps=self.eps)
        channels_last = teacher.permute(0, 2, 3, 1)  # (N, H, W, C)
        return F.layer_norm(channels_last, channels_last.shape[3:], eps=self.eps).permute(0, 3, 1, 2)
