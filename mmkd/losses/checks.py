"""What the losses share: the one way to pair student and teacher tensors, and what is done to labels and logits."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor, nn

from mmkd.utils import UserError

from .ignored import IGNORED, kept_positions

Tensors: TypeAlias = Tensor | list[Tensor]
AXES = 'NCHW'
SIGMOIDS = "Use BinaryKDLoss with teacher_activation='sigmoid', or compare features."


@dataclass(frozen=True)
class Form:
    """What a loss takes the tensors of a tap for.

    Args:
        name: What they are called in messages.
        shapes: Their shapes in words.
        dims: How many dimensions they may have.
        advice: What to tap where a tensor has another form.
        differ: For an axis in which a pair differs, what is expected and how to mend it, where the loss says nothing.
        prepare: What is done to each tensor before the pair is compared.
    """
    name: str
    shapes: str
    dims: tuple[int, ...]
    advice: str
    differ: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    prepare: Callable[[Tensor], Tensor] = lambda tensor: tensor


def as_map(feature: Tensor) -> Tensor:
    """Shapes a pooled feature (N, C) as a map (N, C, 1, 1) and leaves everything else alone."""
    return feature[:, :, None, None] if feature.dim() == 2 else feature


def _pooled(features: Tensor) -> Tensor:
    positions = {3: 1, 4: (2, 3)}.get(features.dim())
    return features if positions is None else features.mean(positions)


_SIZES = ('dense logits of equal height and width',
          'Tap heads of the same stride, and give both models images of the same size.')
_CLASSES = ('student and teacher logits over the same classes',
            'Give both models the same num_classes, or compare features instead.')
_SAMPLES = ('the same samples from both models', 'Tap tensors that begin with the batch.')
MAPS = Form('maps', 'maps (N, C, H, W)', (4, ), 'Tap maps on both sides.')
MAPS_OR_VECTORS = Form('maps', 'maps (N, C, H, W) or features (N, C)', (2, 4), 'Tap maps on both sides.',
                       prepare=as_map)
FEATURES = Form('features', 'features (N, C), tokens (N, L, C) or maps (N, C, H, W)', (2, 3, 4),
                "Name one tap, such as 'pre_logits' or 'stage4'.", {'N': _SAMPLES}, _pooled)
LOGITS = Form('logits', 'logits of shape (N, C)', (2, ), "Use the tap 'logits' of a classifier.",
              {'N': _SAMPLES, 'C': _CLASSES})
DENSE_LOGITS = Form('logits', 'logits of shape (N, C) or (N, C, H, W)', (2, 4),
                    "Use the tap 'logits', or the output of a dense head.",
                    {'N': _SAMPLES, 'C': _CLASSES, 'H': _SIZES, 'W': _SIZES})


def at_least_fp32(tensor: Tensor) -> Tensor:
    """Casts fp16 and bf16 to fp32 and leaves wider types alone."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def pair_tensors(loss: nn.Module,
                 student: Tensors,
                 teacher: Tensors,
                 form: Form = MAPS,
                 equal: str = 'N',
                 several: bool = True,
                 one_teacher: bool = False,
                 cast: bool = True,
                 advice: str | None = None) -> list[tuple[Tensor, Tensor]]:
    """Pairs what the student's taps have read with what the teacher's have: every loss gets its tensors from here.

    Args:
        loss: The loss that asks; errors name it.
        student: A tensor, or one a tap.
        teacher: Likewise.
        form: What they have to be.
        equal: The axes out of ``NCHW`` in which the tensors of a pair have to agree.
        several: Whether there may be lists.
        one_teacher: Whether a single teacher tensor goes with each of several student tensors.
        cast: Whether fp16 and bf16 become fp32; a loss that computes in mixed precision does that later.
        advice: How to mend it where the tensors have another form or differ, in place of the form's own advice.

    Returns:
        One (student, teacher) a pair, the teacher's detached.

    Raises:
        UserError: The numbers of tensors differ or are 0, a tensor has another form, or a pair differs in an axis.
    """
    students = tensors_of(loss, 'student', student, form, several, cast, advice)
    teachers = tensors_of(loss, 'teacher', teacher, form, several and not one_teacher, cast, advice)
    if one_teacher:
        teachers = teachers * len(students)
    if len(students) != len(teachers) or not students:
        raise UserError(
            f'{type(loss).__name__} expects as many student {form.name} as teacher {form.name}, at least one, got '
            f'{len(students)} and {len(teachers)}. Name as many student taps as teacher taps.')
    pairs = list(zip(students, teachers, strict=True))
    for s, t in pairs:
        _check_equal(loss, s, t, form, equal, advice)
    return pairs


def tensors_of(loss: nn.Module, role: str, value: Tensors, form: Form = MAPS, several: bool = True, cast: bool = True,
               advice: str | None = None) -> list[Tensor]:
    """The tensors of one side; see :func:`pair_tensors`, which pairs those of two.

    Args:
        loss: The loss that asks; errors name it.
        role: ``'student'`` or ``'teacher'``; the teacher's are detached.
        value: A tensor, or one a tap.
        form: What they have to be.
        several: Whether there may be a list.
        cast: Whether fp16 and bf16 become fp32.
        advice: How to mend it, in place of the form's own advice.

    Raises:
        UserError: A tensor has another form.
    """
    tensors = list(value) if several and isinstance(value, list | tuple) else [value]
    for tensor in tensors:
        if not isinstance(tensor, Tensor) or tensor.dim() not in form.dims:
            raise UserError(f'{type(loss).__name__} expects {role} {form.shapes}, got {shape_of(tensor)}. '
                            f'{advice or form.advice}')
    if role == 'teacher':
        tensors = [tensor.detach() for tensor in tensors]
    return [form.prepare(at_least_fp32(tensor) if cast else tensor) for tensor in tensors]


def _check_equal(loss: nn.Module, student: Tensor, teacher: Tensor, form: Form, equal: str, advice: str | None) -> None:
    places = {axis: AXES.index(axis) for axis in equal}  # of a vector, H and W are empty
    unequal = [axis for axis, i in places.items() if student.shape[i:i + 1] != teacher.shape[i:i + 1]]
    if not unequal:
        return
    wanted, mend = form.differ.get(unequal[0], (f'{form.shapes} of equal {_listed(equal)}', form.advice))
    raise UserError(f'{type(loss).__name__} expects {wanted}, got {shape_of(student)} from the student and '
                    f'{shape_of(teacher)} from the teacher. {advice or mend}')


def _listed(axes: str) -> str:
    return ' and '.join(filter(None, (', '.join(axes[:-1]), axes[-1])))


def pair_logits(loss: nn.Module,
                student: Tensors,
                teacher: Tensors,
                dense: bool = True,
                one_teacher: bool = False,
                data_samples: list | None = None,
                ignore_index: int = IGNORED) -> list[tuple[Tensor, Tensor]]:
    """Pairs logits over the same classes, laid out with one row a sample or, of dense logits, one a position.

    Positions of a segmentor's maps that have no label are left out, so that there may be no row at all.

    Args:
        loss: The loss that compares them, with ``softmax = False`` if it takes none over the classes; errors name it.
        student: Logits (N, C) or (N, C, H, W), or a list of such, one a level.
        teacher: The same of the teacher.
        dense: Whether there may be (N, C, H, W) and lists. Without, there is one pair of logits (N, C), or with
            ``one_teacher`` one a student tensor.
        one_teacher: Whether a single teacher tensor goes with each of several student tensors.
        data_samples: The annotations of the batch.
        ignore_index: The label of pixels that have none.

    Returns:
        One pair (M, C), (M, C) a level, at least fp32, the teacher's detached.

    Raises:
        UserError: The numbers of levels or the shapes differ, or a tensor has neither form; or a softmax would go over
            a single class or the maps of a detector.
    """
    pairs = pair_tensors(loss, student, teacher, DENSE_LOGITS if dense else LOGITS, equal='NCHW',
                         several=dense or one_teacher, one_teacher=one_teacher)
    for _, t in pairs if getattr(loss, 'softmax', True) else ():
        check_classes(loss, t)
        if t.dim() == 4 and _has_boxes_only(data_samples):
            raise UserError(f'{type(loss).__name__} expects one softmax over the classes of each position, got maps of '
                            f'a detector {shape_of(t)}, whose scores are sigmoids, or several a position. {SIGMOIDS}')
    return [_rows(s, t, kept_positions(loss, data_samples, s, ignore_index)) for s, t in pairs]


def _rows(student: Tensor, teacher: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
    student, teacher = _one_a_position(student), _one_a_position(teacher)
    return (student, teacher) if kept is None else (student[kept.flatten()], teacher[kept.flatten()])


def _has_boxes_only(data_samples: list | None) -> bool:
    """Whether samples are those of a detector: annotated by boxes, and not besides by classes of their pixels."""
    return isinstance(data_samples, list) and any('gt_instances' in s and 'gt_sem_seg' not in s for s in data_samples)


def _one_a_position(logits: Tensor) -> Tensor:
    if logits.dim() == 2:
        return logits
    return logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])  # (N·H·W, C)


def pair_features(loss: nn.Module, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both as features (N, C) in fp32 or wider: maps and tokens are averaged over positions, the teacher detached.

    Raises:
        UserError: A tensor is no feature (N, C), tokens (N, L, C) or map (N, C, H, W), or the batches differ.
    """
    return pair_tensors(loss, student, teacher, FEATURES, several=False)[0]


def check_classes(loss: nn.Module, logits: Tensor) -> None:
    """Checks that logits (N, C) or (N, C, H, W) have classes to choose from.

    Raises:
        UserError: There are fewer classes; a softmax over a single one is 1 whatever the logit.
    """
    if logits.shape[1] < 2:
        raise UserError(f'{type(loss).__name__} expects at least 2 classes, got {logits.shape[1]}. {SIGMOIDS}')


def target_index(loss: nn.Module, target: Tensor | None, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The target class of each sample, from indices (N,) or soft labels (N, C).

    Soft labels (mixup, cutmix, smoothing) give the class with the largest share. A negative index is no label, as
    cross-entropies have it (-100); see :func:`mean_of_labelled`.

    Returns:
        The classes (N,), 0 where there is no label, and flags (N,) of the samples that have one.

    Raises:
        UserError: There is no target, its shape fits neither form, or (on the CPU, where it costs nothing to look) a
            class is none of the logits'.
    """
    name = type(loss).__name__
    if target is None:
        raise UserError(f'{name} expects class labels, got none. Train on labelled images, or use '
                        'a loss without a target such as KDLoss.')
    if target.shape == logits.shape:
        return target.argmax(dim=1), torch.ones_like(target[:, 0], dtype=torch.bool)
    if target.shape == logits.shape[:1]:
        if target.device.type == 'cpu' and not torch.compiler.is_compiling() and (target >= logits.shape[1]).any():
            raise UserError(f'{name} expects classes from 0 to {logits.shape[1] - 1}, got {int(target.max())}. Check '
                            'num_classes of the data and of the models.')
        return target.long().clamp(min=0), target >= 0
    raise UserError(f'{name} expects a target of shape {tuple(logits.shape[:1])} or {tuple(logits.shape)}, '
                    f'got {tuple(target.shape)}. Check num_classes of the data and of the models.')


def mean_of_labelled(values: Tensor, labelled: Tensor) -> Tensor:
    """The mean of a loss (N,) over the samples that have a label; 0 where none has.

    Args:
        values: The loss of each sample.
        labelled: Flags (N,) of :func:`target_index`.
    """
    return values.masked_fill(~labelled, 0.).mean() * (len(values) / labelled.sum().clamp(min=1).to(values.dtype))


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
