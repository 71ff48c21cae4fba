"""Shape checks and conversions that the losses share."""
import torch
from torch import Tensor, nn

from mmkd.utils import UserError


def at_least_fp32(tensor: Tensor) -> Tensor:
    """Casts fp16 and bf16 to fp32 and leaves wider types alone."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def check_logits(loss: nn.Module, student: Tensor, teacher: Tensor) -> None:
    """Checks that both are logits (N, C) over the same classes.

    Raises:
        UserError: A tensor is not two-dimensional, or the shapes differ.
    """
    name = type(loss).__name__
    for role, logits in (('student', student), ('teacher', teacher)):
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            raise UserError(f'{name} expects {role} logits of shape (N, C), got {shape_of(logits)}. '
                            "Use the tap 'logits' of a classifier.")
    if student.shape != teacher.shape:
        raise UserError(
            f'{name} expects student and teacher logits over the same classes, got {shape_of(student)} '
            f'from the student and {shape_of(teacher)} from the teacher. Give both models the same '
            'num_classes, or compare features instead.')


def target_index(loss: nn.Module, target: Tensor | None, logits: Tensor) -> Tensor:
    """The target class of each sample, from indices (N,) or soft labels (N, C).

    Soft labels (mixup, cutmix, smoothing) give the class with the largest share.

    Raises:
        UserError: There is no target, or its shape fits neither form.
    """
    name = type(loss).__name__
    if target is None:
        raise UserError(f'{name} expects class labels, got none. Train on labelled images, or use '
                        'a loss without a target such as KDLoss.')
    if target.shape == logits.shape:
        return target.argmax(dim=1)
    if target.shape == logits.shape[:1]:
        return target.long()
    raise UserError(f'{name} expects a target of shape {tuple(logits.shape[:1])} or {tuple(logits.shape)}, '
                    f'got {tuple(target.shape)}. Check num_classes of the data and of the models.')


def shape_of(value: object) -> str:
    """A printable shape of a tensor or of a list of tensors."""
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, list | tuple):
        return '[' + ', '.join(shape_of(item) for item in value) + ']'
    return type(value).__name__
