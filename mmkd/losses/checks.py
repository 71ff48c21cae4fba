"""Shape checks and conversions that the losses share."""
import torch
from torch import Tensor, nn

from mmkd.utils import UserError


def at_least_fp32(tensor: Tensor) -> Tensor:
    """Casts fp16 and bf16 to fp32 and leaves wider types alone."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def pooled_features(loss: nn.Module, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both as features (N, C) in fp32 or wider: maps and tokens are averaged over positions, the teacher detached.

    Raises:
        UserError: A tensor is no feature (N, C), tokens (N, L, C) or map (N, C, H, W), or the batches differ.
    """
    name = type(loss).__name__
    for role, features in (('student', student), ('teacher', teacher)):
        if not isinstance(features, Tensor) or features.dim() not in (2, 3, 4):
            raise UserError(f'{name} expects {role} features (N, C), tokens (N, L, C) or maps (N, C, H, W), got '
                            f"{shape_of(features)}. Name one tap, such as 'pre_logits' or 'stage4'.")
    if len(student) != len(teacher):
        raise UserError(f'{name} expects the same samples from both models, got {shape_of(student)} from the student '
                        f'and {shape_of(teacher)} from the teacher. Tap tensors that begin with the batch.')
    student, teacher = at_least_fp32(student), at_least_fp32(teacher.detach())
    return _pooled(student), _pooled(teacher)


def _pooled(features: Tensor) -> Tensor:
    positions = {3: 1, 4: (2, 3)}.get(features.dim())
    return features if positions is None else features.mean(positions)


def check_logits(loss: nn.Module, student: Tensor, teacher: Tensor) -> None:
    """Checks that both are logits (N, C) over the same classes, of which there are several.

    Raises:
        UserError: A tensor is not two-dimensional, the shapes differ, or there is one class.
    """
    for role, logits in (('student', student), ('teacher', teacher)):
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            raise UserError(f'{type(loss).__name__} expects {role} logits of shape (N, C), got {shape_of(logits)}. '
                            "Use the tap 'logits' of a classifier.")
    _check_equal(loss, student, teacher)
    check_classes(loss, teacher)


def check_classes(loss: nn.Module, logits: Tensor, fewest: int = 2) -> None:
    """Checks that logits (N, C) or (N, C, H, W) have classes to choose from.

    Raises:
        UserError: There are fewer classes; a softmax over a single one is 1 whatever the logit.
    """
    if logits.shape[1] < fewest:
        raise UserError(f'{type(loss).__name__} expects at least {fewest} classes, got {logits.shape[1]}. Use '
                        "BinaryKDLoss with teacher_activation='sigmoid', or compare features.")


def rows(loss: nn.Module,
         student: Tensor | list[Tensor],
         teacher: Tensor | list[Tensor],
         fewest: int = 2) -> list[tuple[Tensor, Tensor]]:
    """Lays logits out as rows (M, C), one a sample or, of dense logits, one a position.

    Args:
        loss: The loss that compares them, for the error messages.
        student: Logits (N, C) or (N, C, H, W), or a list of such, one a level.
        teacher: The same of the teacher.
        fewest: How many classes there have to be.

    Returns:
        One pair of student rows and teacher rows a level, at least fp32, the teacher's detached.

    Raises:
        UserError: The numbers of levels or the shapes differ, a tensor has neither form, or there are too few classes.
    """
    students = [student] if isinstance(student, Tensor) else list(student)
    teachers = [teacher] if isinstance(teacher, Tensor) else list(teacher)
    name = type(loss).__name__
    if len(students) != len(teachers) or not students:
        raise UserError(f'{name} expects as many student logits as teacher logits, at least one, got {len(students)} '
                        f'and {len(teachers)}. Name as many student taps as teacher taps.')
    for role, levels in (('student', students), ('teacher', teachers)):
        for logits in levels:
            if not isinstance(logits, Tensor) or logits.dim() not in (2, 4):
                raise UserError(f'{name} expects {role} logits of shape (N, C) or (N, C, H, W), got '
                                f"{shape_of(logits)}. Use the tap 'logits', or the output of a dense head.")
    pairs = list(zip(students, teachers, strict=True))
    for s, t in pairs:
        _check_equal(loss, s, t)
        check_classes(loss, t, fewest)
    return [(_as_rows(s), _as_rows(t.detach())) for s, t in pairs]


def _as_rows(logits: Tensor) -> Tensor:
    logits = at_least_fp32(logits)
    if logits.dim() == 2:
        return logits
    return logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])  # (N·H·W, C)


def _check_equal(loss: nn.Module, student: Tensor, teacher: Tensor) -> None:
    if student.shape == teacher.shape:
        return
    name, shapes = type(loss).__name__, f'{shape_of(student)} from the student and {shape_of(teacher)} from the teacher'
    if student.dim() == teacher.dim() and student.shape[:2] == teacher.shape[:2]:
        raise UserError(f'{name} expects dense logits of equal height and width, got {shapes}. Tap heads of the '
                        'same stride, and give both models images of the same size.')
    raise UserError(f'{name} expects student and teacher logits over the same classes, got {shapes}. Give both '
                    'models the same num_classes, or compare features instead.')


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


def non_target(logits: Tensor, index: Tensor) -> Tensor:
    """The logits of all classes but the target, in their order.

    Args:
        logits: Logits (N, C).
        index: Target classes (N,).

    Returns:
        Logits (N, C-1).
    """
    order = torch.arange(logits.shape[1] - 1, device=logits.device)
    return logits.gather(1, order + (order >= index.unsqueeze(1)))


def shape_of(value: object) -> str:
    """A printable shape of a tensor or of a list of tensors."""
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, list | tuple):
        return '[' + ', '.join(shape_of(item) for item in value) + ']'
    return type(value).__name__
