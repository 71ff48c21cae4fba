"""The annotated boxes of a batch, as masks of its maps."""
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.utils import UserError

MEND = ('Use the loss between detectors of mmdet, on images with annotated boxes (an image may have none of them), and '
        'keep their data preprocessor.')


def box_masks(loss: nn.Module, data_samples: Sequence | Tensor | None, maps: Tensor) -> tuple[Tensor, Tensor]:
    """How much each position of a batch of maps belongs to the boxes and to the background.

    A box covers all positions that it touches, and gives each of them one divided by their number; where boxes overlap,
    the smallest counts. The background's positions share 1 equally.

    Args:
        loss: The loss that asks; errors name it.
        data_samples: The annotations of the batch, as a term hands them on.
        maps: The maps (N, C, H, W) of the whole batch, padding included.

    Returns:
        Foreground and background, (N, H, W) each; an image without boxes has a foreground of 0.

    Raises:
        UserError: The samples have no boxes, or do not say how large the padded images are.
    """
    boxes = _boxes(loss, data_samples, maps)
    foreground = torch.stack([_foreground(*sides, *maps.shape[2:]) for sides in boxes])
    background = (foreground == 0).to(maps.dtype)
    return foreground, background / background.sum((1, 2), keepdim=True).clamp(min=1)


def _boxes(loss: nn.Module, data_samples: Sequence | Tensor | None, maps: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The sides of each image's boxes in positions of its map: left and right (boxes, 2), top and bottom (boxes, 2)."""
    name, (height, width) = type(loss).__name__, maps.shape[2:]
    if data_samples is None or isinstance(data_samples, Tensor) or not all('gt_instances' in s for s in data_samples):
        raise UserError(f'{name} expects the boxes of the images, got samples without any. {MEND}')
    if len(data_samples) != len(maps):
        raise UserError(f'{name} expects samples of {len(maps)} images, got {len(data_samples)}. {MEND}')
    sides = []
    for sample in data_samples:
        size = sample.metainfo.get('batch_input_shape')
        boxes = getattr(sample.gt_instances, 'bboxes', None)
        if size is None or boxes is None:
            missing = 'batch_input_shape' if size is None else 'gt_instances.bboxes'
            raise UserError(f'{name} expects samples with {missing}, got one without. {MEND}')
        corners = getattr(boxes, 'tensor', boxes).to(maps)  # mmdet's boxes, or a tensor
        sides.append((corners[:, 0::2] / size[1] * width, corners[:, 1::2] / size[0] * height))
    return sides


def _foreground(across: Tensor, down: Tensor, height: int, width: int) -> Tensor:
    """The foreground (H, W) of an image: all its boxes at once, without a look at their values on the host."""
    columns, widths = _covered(across, width)
    rows, heights = _covered(down, height)
    share = 1 / (widths * heights).clamp(min=1)
    covered = share[:, None, None] * (rows[:, :, None] & columns[:, None])  # (boxes, H, W)
    return torch.cat([across.new_zeros(1, height, width), covered]).amax(0)


def _covered(sides: Tensor, positions: int) -> tuple[Tensor, Tensor]:
    """Which positions (boxes, positions) lie between two sides, and how many do, those outside the map included."""
    first, last = sides[:, :1].floor(), sides[:, 1:].ceil()
    places = torch.arange(positions, device=sides.device)
    return (places >= first) & (places <= last), (last + 1 - first).flatten()
