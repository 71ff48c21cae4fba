"""Batches without labels, which train by the terms alone."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmkd.utils import UserError


def has_labels(data_samples: Sequence | None) -> bool:
    """Whether the samples of a batch carry annotations of any kind."""
    return bool(data_samples) and any(not key.startswith('pred') for key in data_samples[0].keys())  # noqa: SIM118  (no mapping)


def check_labels(data_samples: Sequence | None, task_weight: float) -> None:
    """Checks that the student's own loss can be computed.

    Raises:
        UserError: The batch has no labels.
    """
    if not has_labels(data_samples):
        raise UserError(f"the student's own loss (task_weight={task_weight:g}) expects labelled images, got a batch "
                        'without labels. Set task_weight=0. to train by the terms alone.')


def no_loss(student: BaseModel, inputs: Tensor) -> Tensor:
    """A zero that gives every parameter a gradient of zero, those included which no term reaches."""
    sums = [parameter.sum() for parameter in student.parameters() if parameter.requires_grad]
    return 0. * torch.stack(sums).sum() if sums else inputs.new_zeros(())
