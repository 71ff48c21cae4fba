"""Positions without a label, which the per-position losses of segmentors leave out."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.utils import UserError

IGNORED = 255  # mmseg's default, and what it pads the labels with


def kept_positions(loss: nn.Module, data_samples: Sequence | Tensor | None, maps: Tensor,
                   ignore_index: int = IGNORED) -> Tensor | None:
    """Which positions of a batch of maps have a label.

    Args:
        loss: The loss that asks; errors name it.
        data_samples: The annotations of the batch, as a term hands them on.
        maps: The maps (N, C, H, W). Their positions look the labels up at their centres. Of other tensors all counts.
        ignore_index: The label of pixels that have none.

    Returns:
        Flags (N, 1, H, W); None where the samples are not those of a segmentor: everything counts.

    Raises:
        UserError: There is another number of samples than of maps, or some have labels and some have none.
    """
    labels = _labels(data_samples) if maps.dim() == 4 and not maps.is_meta else []  # which has no values
    if not any(label is not None for label in labels):
        return None
    if len(labels) != len(maps) or any(label is None for label in labels):
        raise UserError(f'{type(loss).__name__} expects a label map (gt_sem_seg) for each of the {len(maps)} images, '
                        f'got {sum(label is not None for label in labels)}. Annotate all images, or none.')
    batch = torch.stack([label.reshape(1, *label.shape[-2:]) for label in labels]).to(maps.device)
    return F.interpolate(batch.float(), tuple(maps.shape[2:]), mode='nearest-exact') != ignore_index


def _labels(data_samples: Sequence | Tensor | None) -> list[Tensor | None]:
    if data_samples is None or isinstance(data_samples, Tensor):
        return []
    return [getattr(sample.gt_sem_seg, 'data', None) if 'gt_sem_seg' in sample else None for sample in data_samples]
