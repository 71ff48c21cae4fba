"""Labels of a batch: as data samples or as a plain tensor, or none at all."""
from collections.abc import Sequence
from typing import TypeAlias

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmkd.utils import UserError

Labels: TypeAlias = Sequence | Tensor | None
KINDS = 'gt_score', 'gt_label'
SAME = 'labels of one kind (gt_label or gt_score) for all images, got none or others for some. Label all alike.'


def has_labels(data_samples: Labels) -> bool:
    """Whether a batch carries annotations of any kind: a tensor of labels, or samples that all have some."""
    if data_samples is None or isinstance(data_samples, Tensor):
        return data_samples is not None
    return bool(data_samples) and all(map(_is_annotated, data_samples))


def _is_annotated(sample: BaseDataElement) -> bool:
    return any(not key.startswith('pred') for key in sample.keys())  # noqa: SIM118  (no mapping)


def check_labels(data_samples: Labels, task_weight: float) -> None:
    """Checks that the student's own loss can be computed.

    Raises:
        UserError: The batch has no labels, or labels of some images, or of two kinds.
    """
    own = f"the student's own loss (task_weight={task_weight:g})"
    if not has_labels(data_samples):
        raise UserError(f"{own} expects labelled images, got a batch {_without_labels(data_samples)}. Set "
                        'task_weight=0. to train by the terms alone.')
    kind = None if isinstance(data_samples, Tensor) else next((each for each in KINDS if each in data_samples[0]), None)
    if kind and not all(kind in sample for sample in data_samples):  # a classifier reads of all what the first has
        raise UserError(f'{own} expects {SAME}')


def _without_labels(data_samples: Labels) -> str:
    missing = sum(not _is_annotated(sample) for sample in data_samples or ())
    return 'without labels' if missing == len(data_samples or ()) else f'with {missing} images without labels'


def check_range(labels: Tensor, images: int, classes: int | None) -> None:
    """Checks that a tensor of labels belongs to a batch and its classes; on a GPU PyTorch asserts the latter itself.

    Args:
        labels: The labels.
        images: The number of images.
        classes: The number of classes, if it is known.

    Raises:
        UserError: It has another form, or a class that there is not.
    """
    soft, shape = labels.is_floating_point(), tuple(labels.shape)
    if labels.dim() != 1 + soft or len(labels) != images or (soft and classes not in (None, labels.shape[-1])):
        raise UserError(f'labels expect class indices ({images},) or soft labels ({images}, {classes or "classes"}), '
                        f'got {labels.dtype} of shape {shape}. Give one label an image.')
    if labels.is_complex() or labels.dtype == torch.bool:
        raise UserError(f'labels expect whole numbers or shares, got {labels.dtype}. Convert them with labels.long().')
    if soft or classes is None or labels.device.type != 'cpu':  # to ask a GPU for its labels would stall every step
        return
    low, high = (int(limit) for limit in labels.aminmax())
    if low < 0 or high >= classes:
        raise UserError(f'labels expect classes from 0 to {classes - 1}, as the student has {classes}, got '
                        f'{low if low < 0 else high}. Mend the labels, or give the student more classes.')


def no_loss(student: nn.Module, inputs: Tensor) -> Tensor:
    """A zero that gives every parameter a gradient of zero, those included which no term reaches."""
    sums = [parameter.sum() for parameter in student.parameters() if parameter.requires_grad]
    return 0. * torch.stack(sums).sum() if sums else inputs.new_zeros(())


def target_of(data_samples: Labels, needed: bool = False) -> Tensor | None:
    """The labels of a batch of classification samples: soft (N, C) after mixup, else indices (N,).

    Args:
        data_samples: The annotations of the batch.
        needed: Whether a loss cannot be computed without them.

    Returns:
        None unless all images have soft labels, or all have one label.

    Raises:
        UserError: They are needed, and some images have another number of labels than one, or another kind.
    """
    if isinstance(data_samples, Tensor) or not data_samples:
        return data_samples if isinstance(data_samples, Tensor) else None
    if all('gt_score' in sample for sample in data_samples):
        return torch.stack([sample.gt_score for sample in data_samples])
    counts = [sample.gt_label.numel() if 'gt_label' in sample else -1 for sample in data_samples]
    if set(counts) == {1}:
        return torch.cat([sample.gt_label for sample in data_samples])
    if needed and any('gt_score' in sample or 'gt_label' in sample for sample in data_samples):
        other = next((count for count in counts if count not in (-1, 1)), None)
        raise UserError(f'a loss with a target expects {SAME}' if other is None else
                        f'a loss with a target expects one label an image, got {other} of one. Use a loss for several '
                        "labels, such as BinaryKDLoss with teacher_activation='sigmoid'.")
    return None


def indices_of(data_samples: Labels, inputs: Tensor) -> Tensor | None:
    """The samples' numbers in the training set, which mmpretrain's ``PackInputs`` keeps as ``sample_idx``."""
    if isinstance(data_samples, Tensor) or not data_samples or any('sample_idx' not in s for s in data_samples):
        return None
    return torch.tensor([sample.sample_idx for sample in data_samples], device=inputs.device)


def samples_for(model: nn.Module, data_samples: Labels) -> Labels:
    """Labels in the form that a model takes: an OpenMMLab classifier takes samples, a plain module either.

    Raises:
        UserError: The model is a detector or a segmentor, of which a tensor does not say enough.
    """
    if not isinstance(data_samples, Tensor) or not isinstance(model, BaseModel):
        return data_samples
    if not any(kind.__module__.startswith(('mmpretrain.', 'mmkd.')) for kind in type(model).__mro__):
        raise UserError(f'labels as a tensor expect a classifier, got a {type(model).__name__}. Give it data samples.')
    from mmpretrain.structures import DataSample
    if data_samples.is_floating_point():
        return [DataSample().set_gt_score(label) for label in data_samples]
    return [DataSample().set_gt_label(label) for label in data_samples.long().split(1)]  # which stay on their device
