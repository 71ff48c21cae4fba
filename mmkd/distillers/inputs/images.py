"""What goes into the models: the form of the images, and how the teacher's is made of the student's."""
import math

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

from mmkd.utils import UserError
from mmkd.utils.building.build import type_name
from mmkd.utils.sizes import resized

from .labels import Labels

LARGEST = 8192  # pixels of a side


class InputAdapter(nn.Module):
    r"""Re-normalises, reorders and resizes a batch from the student's form to the teacher's.

    With the student's mean and standard deviation :math:`m_s, d_s` and the teacher's
    :math:`m_t, d_t` (both for pixels in 0…255), :math:`x_t = x_s\, d_s/d_t + (m_s - m_t)/d_t`
    per channel; the step is left out when it would change nothing. What the student's preprocessor has padded has the
    teacher's padding then.

    Args:
        student: ``mean``, ``std`` and ``to_rgb`` of the student's data preprocessor; None where unknown.
        teacher: The same of the teacher's; None means as the student's.
        size: (height, width) that the teacher needs, or None for any.
        padding: What the teacher's data preprocessor pads with, after it has normalised.

    Shapes: (N, 3, H, W) → (N, 3, H', W').
    """

    def __init__(self,
                 student: dict | None,
                 teacher: dict | None,
                 size: tuple[int, int] | None = None,
                 padding: float = 0.) -> None:
        super().__init__()
        self.size = size
        self.padding = padding
        self.student = student
        self.register_buffer('scale', None, persistent=False)
        self.register_buffer('shift', None, persistent=False)
        self.normalise_as(teacher)

    def normalise_as(self, teacher: dict | None) -> None:
        """Sets how the teacher's images are normalised; see the class."""
        student, self.teacher = self.student, teacher
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
        self.scale, self.shift = scale, shift

    def forward(self, inputs: Tensor, data_samples: Labels = None) -> Tensor:
        """Adapts one batch; see the class.

        Args:
            inputs: The student's normalised images.
            data_samples: Their annotations, of which those of detectors and segmentors say what is padded.
        """
        if self.flip and inputs.shape[1] == 3:
            inputs = inputs.flip(1)
        if self.scale is not None:
            inputs = torch.addcmul(self.shift.to(inputs.dtype), inputs, self.scale.to(inputs.dtype))
        if self.flip or self.scale is not None:  # else these are the student's own
            for image, (height, width) in zip(inputs, unpadded_sizes(data_samples, len(inputs)), strict=False):
                image[:, height:], image[:, :, width:] = self.padding, self.padding
        return inputs if self.size is None else resized(inputs, self.size, 'bicubic', antialias=True)


def unpadded_sizes(data_samples: Labels, images: int) -> list[tuple[int, int]]:
    """Height and width of each image of a batch without what mmdet's or mmseg's preprocessor has padded.

    Args:
        data_samples: The annotations of the batch.
        images: The number of images.

    Returns:
        Empty where the samples do not all say it.
    """
    if isinstance(data_samples, Tensor) or len(data_samples or ()) != images:
        return []
    found = [getattr(sample, 'metainfo', {}) for sample in data_samples]
    told = all('img_shape' in meta and ('batch_input_shape' in meta or 'padding_size' in meta) for meta in found)
    return [tuple(meta['img_shape'][:2]) for meta in found] if told else []


def padding_of(preprocessor: nn.Module | None) -> float:
    """What a data preprocessor pads images with, after it has normalised them."""
    return getattr(preprocessor, 'pad_value', getattr(preprocessor, 'pad_val', 0.))  # mmseg's has had both names


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


def image_channels(model: nn.Module) -> int:
    """How many channels a model's images have: as its preprocessor's mean, else as its first convolution.

    A stem that folds b × b pixels of three channels into one counts as three.
    """
    mean = getattr(getattr(model, 'data_preprocessor', None), 'mean', None)
    if mean is not None and len(mean) > 1:
        return len(mean)
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    channels = 3 if first is None else first.in_channels
    folded = channels > 3 and channels % 3 == 0 and math.isqrt(channels // 3)**2 == channels // 3
    return 3 if folded else channels


def fixed_input_size(model: nn.Module, cfg: dict) -> tuple[int, int] | None:
    """The only input size that a model takes, if it is tied to one (as vision transformers are).

    Args:
        model: The model.
        cfg: Its config, of which timm's ``img_size`` is read.
    """
    network = _timm_of(model)
    if network is None:
        if hasattr(model, 'fixed_input_size'):
            return model.fixed_input_size
        backbone = getattr(model, 'backbone', None)
        size = getattr(backbone, 'img_size', None)
        # A classifier gets the size that it was trained with; a map of positions that are interpolated takes any.
        is_free = hasattr(backbone, 'interpolate_mode') and _is_dense(model)
        return None if size is None or is_free else as_size(size)
    patches = next((module for module in network.modules() if hasattr(module, 'strict_img_size')), None)
    if patches is not None and patches.img_size is not None:
        return as_size(patches.img_size) if patches.strict_img_size else None
    if cfg.get('img_size') is not None:
        return as_size(cfg['img_size'])
    pretrained = network.pretrained_cfg or {}
    return tuple(pretrained['input_size'][-2:]) if pretrained.get('fixed_input_size') else None


def _is_dense(model: nn.Module) -> bool:
    return any(kind.__module__.startswith(('mmdet.', 'mmseg.')) for kind in type(model).__mro__)


def _timm_of(model: nn.Module) -> nn.Module | None:
    """timm's network: inside a wrapper, or by itself."""
    return next((each for each in (getattr(model, 'model', None), model) if hasattr(each, 'pretrained_cfg')), None)


def teacher_normalisation(model: nn.Module, cfg: dict | None = None, loads_rgb: bool = False) -> dict | None:
    """Mean, std and channel order that a model was trained with, as :func:`normalisation` gives them.

    Args:
        model: The model.
        cfg: Its config. What it says of the preprocessor counts, also that there is no normalisation.
        loads_rgb: Whether the images come in RGB, which a model of timm's or Hugging Face's then takes as they are;
            ``to_rgb`` turns the order of what was loaded around.

    Returns:
        None where nothing says it: the model then takes what the student takes.
    """
    stated = (cfg or {}).get('data_preprocessor') is not None
    if stated or getattr(getattr(model, 'data_preprocessor', None), 'mean', None) is not None:
        found = normalisation(model.data_preprocessor)
        is_own = not stated and type_name(cfg or {}) == 'HuggingFaceModel'
        return found | dict(to_rgb=not loads_rgb) if found and is_own else found
    # timm writes it into a model's pretrained config, for pixels in 0…1
    pretrained = getattr(_timm_of(model), 'pretrained_cfg', None)
    if not pretrained or 'mean' not in pretrained:
        return None
    mean, std = ([255 * value for value in pretrained[key]] for key in ('mean', 'std'))
    if len(mean) != image_channels(model):  # timm sums or repeats the weights of RGB
        mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
    return dict(mean=mean, std=std, to_rgb=not loads_rgb)


def as_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """Completes a side to (height, width).

    Raises:
        UserError: It is neither, or no image has that size.
    """
    both = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, list | tuple) else ()
    if len(both) != 2 or not all(type(side) is int and 0 < side <= LARGEST for side in both):
        raise UserError(f'input_size expects a side or (height, width) from 1 to {LARGEST}, got {size!r}. Correct it.')
    return both
