"""The classifier at the end of a teacher, and whether what is taken for it gives the teacher's logits."""
from collections.abc import Callable
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmkd.utils import UserError

from ..models import forward_of
from ..teacher import Teacher


def classifier(model: BaseModel) -> Callable[[Tensor], Tensor]:
    """The part of a classifier after its last stage.

    Args:
        model: A classifier of mmpretrain's or mmkd's that pools a map, or a timm model that does.

    Returns:
        A function: the map (N, C, H, W) of the tap of the last stage → logits (N, classes).

    Raises:
        UserError: The classifier reads a class token, or is of a kind that is not known.
    """
    timm_model, backbone = getattr(model, 'model', None), getattr(model, 'backbone', None)
    if hasattr(timm_model, 'forward_head') and not getattr(timm_model, 'num_prefix_tokens', 0):
        channels_last = getattr(timm_model, 'output_fmt', None) == 'NHWC'

        def forward_head(x: Tensor) -> Tensor:
            x = x.permute(0, 2, 3, 1) if channels_last else x
            return timm_model.forward_head(getattr(timm_model, 'norm', nn.Identity())(x))

        return forward_head
    if hasattr(model, 'head') and not getattr(backbone, 'num_extra_tokens', 0):

        def forward_end(x: Tensor) -> Tensor:
            x = _final_norm(backbone, x)
            if getattr(model, 'neck', None) is not None:
                x = model.neck((x,))[0]
            return model.head((x.flatten(1),))

        return forward_end
    raise UserError(f'the loss expects a teacher whose classifier reads the pooled map of its last stage, got a '
                    f'{type(backbone or timm_model or model).__name__}. Use a ConvNet or a Swin as the teacher.')


def _final_norm(backbone: Any, x: Tensor) -> Tensor:
    """Applies what ConvNeXts and Swins do between their last stage and the classifier."""
    norm = getattr(backbone, f'norm{len(getattr(backbone, "stages", ())) - 1}', None)
    if norm is None:
        return x
    if getattr(backbone, 'gap_before_final_norm', False):
        return norm(x.mean((2, 3), keepdim=True))
    if type(norm) is nn.LayerNorm:  # over the last dimension
        return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return norm(x)


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
    expected = forward_of(teacher.model)(teacher.adapt(images).clone(), mode='tensor')
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
