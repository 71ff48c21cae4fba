"""The form of the images that a model takes: their channels, their size, their normalisation."""
import math

from mmengine.model import BaseModel
from torch import nn

from mmkd.utils import UserError

from .inputs import normalisation

LARGEST = 8192  # pixels of a side


def image_channels(model: BaseModel) -> int:
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


def fixed_input_size(model: BaseModel, cfg: dict) -> tuple[int, int] | None:
    """The only input size that a model takes, if it is tied to one (as vision transformers are).

    Args:
        model: The model.
        cfg: Its config, of which timm's ``img_size`` is read.
    """
    network = getattr(model, 'model', None)
    if not hasattr(network, 'pretrained_cfg'):
        size = getattr(getattr(model, 'backbone', None), 'img_size', None)
        return as_size(size) if size is not None else None
    patches = next((module for module in network.modules() if hasattr(module, 'strict_img_size')), None)
    if patches is not None and patches.img_size is not None:
        return as_size(patches.img_size) if patches.strict_img_size else None
    if cfg.get('img_size') is not None:
        return as_size(cfg['img_size'])
    pretrained = network.pretrained_cfg or {}
    return tuple(pretrained['input_size'][-2:]) if pretrained.get('fixed_input_size') else None


def teacher_normalisation(model: BaseModel, cfg: dict | None = None) -> dict | None:
    """Mean, std and channel order that a model was trained with, as :func:`normalisation` gives them.

    Args:
        model: The model.
        cfg: Its config. What it says of the preprocessor counts, also that there is no normalisation.

    Returns:
        None where nothing says it: the model then takes what the student takes.
    """
    stated = (cfg or {}).get('data_preprocessor') is not None
    if stated or getattr(model.data_preprocessor, 'mean', None) is not None:
        return normalisation(model.data_preprocessor)
    # timm writes it into a model's pretrained config, for pixels in 0…1
    pretrained = getattr(getattr(model, 'model', None), 'pretrained_cfg', None)
    if not pretrained or 'mean' not in pretrained:
        return None
    mean, std = ([255 * value for value in pretrained[key]] for key in ('mean', 'std'))
    if len(mean) != image_channels(model):  # timm sums or repeats the weights of RGB
        mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
    return dict(mean=mean, std=std, to_rgb=True)


def as_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """Completes a side to (height, width).

    Raises:
        UserError: It is neither, or no image has that size.
    """
    both = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, list | tuple) else ()
    if len(both) != 2 or not all(type(side) is int and 0 < side <= LARGEST for side in both):
        raise UserError(f'input_size expects a side or (height, width) from 1 to {LARGEST}, got {size!r}. Correct it.')
    return both
