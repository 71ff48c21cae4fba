"""Bringing the student's normalised images into the form that the teacher was trained on."""
import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn


class InputAdapter(nn.Module):
    r"""Re-normalises, reorders and resizes a batch from the student's form to the teacher's.

    With the student's mean and standard deviation :math:`m_s, d_s` and the teacher's
    :math:`m_t, d_t` (both for pixels in 0…255), :math:`x_t = x_s\, d_s/d_t + (m_s - m_t)/d_t`
    per channel; the step is left out when it would change nothing.

    Args:
        student: ``mean``, ``std`` and ``to_rgb`` of the student's data preprocessor; None where unknown.
        teacher: The same of the teacher's; None means as the student's.
        size: (height, width) that the teacher needs, or None for any.

    Shapes: (N, 3, H, W) → (N, 3, H', W').
    """

    def __init__(self,
                 student: dict | None,
                 teacher: dict | None,
                 size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.size = size
        self.flip = bool(student and teacher and student['to_rgb'] != teacher['to_rgb'])
        scale = shift = None
        if student and teacher:
            mean, std = _column(student['mean']), _column(student['std'])
            if self.flip and len(mean) == 3:
                mean, std = mean.flip(0), std.flip(0)
            scale = std / _column(teacher['std'])
            shift = (mean - _column(teacher['mean'])) / _column(teacher['std'])
            if torch.allclose(scale, torch.ones_like(scale)) and torch.allclose(
                    shift, torch.zeros_like(shift), atol=1e-6):
                scale = shift = None
        self.register_buffer('scale', scale, persistent=False)
        self.register_buffer('shift', shift, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Adapts one batch; see the class."""
        if self.flip and inputs.shape[1] == 3:
            inputs = inputs.flip(1)
        if self.scale is not None:
            inputs = torch.addcmul(self.shift.to(inputs.dtype), inputs, self.scale.to(inputs.dtype))
        if self.size is not None and tuple(inputs.shape[-2:]) != self.size:
            inputs = F.interpolate(inputs, self.size, mode='bicubic', align_corners=False, antialias=True)
        return inputs


def _column(values: Tensor | list[float]) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32).reshape(-1, 1, 1)


def normalisation(preprocessor: nn.Module) -> dict | None:
    """Reads mean, std and channel order from any OpenMMLab data preprocessor.

    Args:
        preprocessor: mmpretrain's, mmdet's or mmseg's data preprocessor.

    Returns:
        ``mean``, ``std`` (per channel, pixels 0…255) and ``to_rgb``. One that does not normalise has mean 0 and
        standard deviation 1. None if it does not say whether it does.
    """
    mean, std = getattr(preprocessor, 'mean', None), getattr(preprocessor, 'std', None)
    if mean is None or std is None:
        if getattr(preprocessor, '_enable_normalize', True) and type(preprocessor) is not BaseDataPreprocessor:
            return None
        mean, std = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    # mmpretrain's name, mmengine's and mmdet's, and that of mmseg 1.2
    flags = [getattr(preprocessor, name, None) for name in ('to_rgb', '_channel_conversion', 'channel_conversion')]
    to_rgb = next((flag for flag in flags if flag is not None), False)
    return dict(mean=mean, std=std, to_rgb=bool(to_rgb))
