"""Whether what is taken for the end of a teacher gives its logits."""
from collections.abc import Callable

import torch
from torch import Tensor

from mmkd.utils import UserError

from .teacher import Teacher


@torch.no_grad()
def check_classifier(classify: Callable[[Tensor], Tensor], teacher: Teacher, tap: str, maps: Tensor,
                     images: Tensor) -> None:
    """Runs a teacher's map through what is taken for its classifier, and compares with the teacher's own logits.

    Args:
        classify: A function from the map to logits (N, classes).
        teacher: The teacher.
        tap: Name of the tap that has read the map.
        maps: The map (N, C, H, W).
        images: The images (N, C, H, W) that it comes from, in the student's form.

    Raises:
        UserError: They differ by more than rounding.
    """
    expected = teacher.model(teacher.adapt(images).clone(), mode='tensor')
    what = f'the loss expects that a teacher ends with its classifier after the tap {tap!r}'
    mend = ("Tap the teacher's last stage before its pooling, or take another teacher: ResNets, ConvNeXts and Swins "
            'fit.')
    try:
        logits = classify(maps.float().clone())
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise UserError(f'{what}, got an error from there on ({error}). {mend}') from error
    if logits.shape != expected.shape:
        raise UserError(f'{what}, got logits {tuple(logits.shape)} instead of {tuple(expected.shape)}. {mend}')
    if maps.is_meta:
        return
    rounding = 1e-3 if teacher.dtype in (None, torch.float32) else 0.1
    gap, largest = (logits - expected).abs().max(), expected.abs().max()
    if not gap <= rounding * largest + 1e-6:
        raise UserError(f'{what}, got logits from there on that differ by {gap:.2g} from its own, of which the largest '
                        f'is {largest:.2g}. {mend}')
