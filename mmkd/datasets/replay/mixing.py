"""Mixup and CutMix of single views: what mmpretrain draws for a batch is drawn from a view's own numbers."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmkd.utils import UserError
from mmkd.utils.building.build import type_name

ONE = 256  # a share in Mixup is a whole number of these parts: whole numbers are mixed alike on all machines, and fast
KINDS = {'Mixup': ('alpha', ), 'CutMix': ('alpha', 'cutmix_minmax', 'correct_lam')}
LINE = "dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)])"


@dataclass(frozen=True)
class Draw:
    """What one view has drawn.

    Args:
        augment: Which of the augmentations; None leaves the view as it is.
        share: The share of the own view, before a box is cut at the edges.
        place: Two or four numbers from 0 to 1: where a box lies, and its size if that is drawn too.
    """
    augment: dict | None
    share: float = 1.
    place: tuple[float, ...] = ()


class Mixing:
    """The batch augmentations of a recipe, for single views.

    Differs from mmpretrain's: each view draws for itself, instead of one draw for a batch; the views are mixed before
    they are normalised, and those of bytes stay bytes: a mixed pixel is rounded to one of 256 values, and a share of
    Mixup to a 256th, in the pixels and in the label.

    Args:
        config: ``dict(augments=…, probs=…)`` as a classifier's ``train_cfg`` or ``batch_augments`` has it.

    Raises:
        UserError: One of them cannot be drawn for a single view, or has other arguments.
    """

    def __init__(self, config: Mapping) -> None:
        unknown = sorted(set(config) - {'augments', 'probs'})
        if unknown or not config.get('augments'):
            raise UserError(f'mixing expects augments and probs, got {unknown or dict(config)}. Write mixing={LINE}.')
        augments = config['augments']
        self.augments = [self._checked(each) for each in (augments if isinstance(augments, list | tuple)
                                                          else [augments])]
        self.edges = np.cumsum(self._probabilities(config.get('probs')))
        if self.edges[-1] > 1 - 1e-9:  # a rounded sum leaves nothing over
            self.edges[-1] = 1.

    @staticmethod
    def _checked(augment: Any) -> dict:
        name = type_name(augment)
        if name not in KINDS:
            raise UserError(f'mixing expects Mixup or CutMix, which single views can replay, got {augment!r}. '
                            f'Write {LINE}.')
        found = {key: value for key, value in augment.items() if key != 'type'}
        unknown = sorted(set(found) - set(KINDS[name]))
        alpha, ranges = found.get('alpha'), found.get('cutmix_minmax')
        if unknown or isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < float('inf'):
            raise UserError(f'{name} expects {", ".join(KINDS[name])} and an alpha above 0, got {found}. '
                            f"Write dict(type='{name}', alpha=1.0).")
        if ranges is not None and not (len(ranges) == 2 and 0 <= ranges[0] < ranges[1] <= 1):
            raise UserError(f'CutMix expects cutmix_minmax to be two shares of a side, got {ranges}. '
                            'Write cutmix_minmax=[0.2, 0.8].')
        return dict(kind=name, correct_lam=True, cutmix_minmax=None) | found

    def _probabilities(self, probs: float | Sequence[float] | None) -> list[float]:
        count = len(self.augments)
        if probs is None:
            return [1 / count] * count
        found = [probs] if isinstance(probs, int | float) else list(probs)
        if len(found) != count or min(found) < 0 or sum(found) > 1 + 1e-9:
            raise UserError(f'mixing expects {count} probs of at most 1 together, one for each of augments, got '
                            f'{probs}. Leave probs out to draw all alike.')
        return found

    def draw(self, seed: int) -> Draw:
        """Draws for one view; NumPy's global generator is seeded for that.

        Args:
            seed: The seed, of 32 bits.
        """
        np.random.seed(seed)
        choice = int(np.searchsorted(self.edges, np.random.random_sample(), side='right'))
        if choice >= len(self.augments):
            return Draw(None)
        augment = self.augments[choice]
        share = float(np.random.beta(augment['alpha'], augment['alpha']))
        return Draw(augment, share, tuple(np.random.random_sample(4)) if augment['kind'] == 'CutMix' else ())


def mix(draw: Draw, own: Tensor, other: Tensor) -> tuple[Tensor, float]:
    """Mixes two views.

    Args:
        draw: What the first has drawn.
        own: The first, (channels, height, width).
        other: The second, of the same shape.

    Returns:
        The mixed view, and the share of the first in its label.
    """
    return mixed_up(own, other, draw.share) if draw.augment['kind'] == 'Mixup' else cut_and_mixed(own, other, draw)


def mixed_up(own: Tensor, other: Tensor, share: float) -> tuple[Tensor, float]:
    """Own share and the rest of another, to the nearest byte where the views are bytes."""
    weight = round(share * ONE)
    if own.is_floating_point():  # two products that are rounded each, on any machine
        return own.mul(weight / ONE).add_(other.mul(1 - weight / ONE)), weight / ONE
    if own.dtype != torch.uint8:
        raise UserError(f'Mixup expects pixels that are bytes or floats, got {own.dtype}. End the pipeline with '
                        'PackInputs.')
    total, rest = own.numpy().astype(np.uint16), other.numpy().astype(np.uint16)
    total *= weight
    rest *= ONE - weight
    total += rest
    total += ONE // 2  # 65,408 at most
    total >>= 8
    return torch.from_numpy(total.astype(np.uint8)), weight / ONE


def cut_and_mixed(own: Tensor, other: Tensor, draw: Draw) -> tuple[Tensor, float]:
    """A box of another in the own view."""
    height, width = own.shape[-2:]
    (top, bottom), (left, right) = (_edges(draw, axis, side) for axis, side in enumerate((height, width)))
    mixed = own.clone()
    mixed[..., top:bottom, left:right] = other[..., top:bottom, left:right]
    if draw.augment['correct_lam'] or draw.augment['cutmix_minmax'] is not None:
        return mixed, 1. - (bottom - top) * (right - left) / (height * width)
    return mixed, draw.share


def _edges(draw: Draw, axis: int, side: int) -> tuple[int, int]:
    """Where a box begins and ends along one axis, as mmpretrain's CutMix cuts it."""
    ranges = draw.augment['cutmix_minmax']
    if ranges is None:
        cut, middle = int(side * (1 - draw.share)**0.5), int(draw.place[axis] * side)
        return max(middle - cut // 2, 0), min(middle + cut // 2, side)
    least, most = int(side * ranges[0]), int(side * ranges[1])
    cut = least + int(draw.place[2 + axis] * max(most - least, 1))
    start = int(draw.place[axis] * max(side - cut, 1))
    return start, start + cut
