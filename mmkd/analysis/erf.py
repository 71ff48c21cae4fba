"""Effective receptive fields: which pixels of the images move the middle of a feature map."""
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.utils import UserError

from .tap_reader import TapReader, expect_map, without_parameter_gradients

THRESHOLDS = (0.2, 0.3, 0.5, 0.99)


@dataclass(frozen=True)
class ReceptiveField:
    """How much each pixel contributes to the middle of a map.

    Args:
        scores: Contribution of each pixel, (H, W), averaged over the images.
        images: How many images were averaged.
        skipped: How many were left out because their gradient was not a number.
    """
    scores: np.ndarray
    images: int
    skipped: int


def receptive_field(model: nn.Module, batches: Iterable[Tensor], tap: str) -> ReceptiveField:
    r"""Measures the effective receptive field of a tap, as the papers draw it.

    .. math:: S = \frac1N \sum_n \sum_c \max\Big(0,
              \frac{\partial}{\partial x_{nc}} \sum_k \max(0, f_k(x_n)_{\lfloor H/2\rfloor \lfloor W/2\rfloor})\Big)

    Source: Ding et al., Scaling Up Your Kernels to 31x31, 2022, arXiv 2203.06717, and Liu et al., More ConvNets in the
    2020s, 2022, arXiv 2207.03620: ``erf/visualize_erf.py`` of both repositories.
    Differs from the authors' code: any model and tap; several images a batch; sums in float64.

    Args:
        model: The model, in eval mode; left as it is.
        batches: Images (N, 3, H, W), normalised as the model wants them.
        tap: A tap that reads maps, such as ``stage4``.

    Raises:
        UserError: The tap reads no map or gets no gradient, or there is no image with a gradient that is a number.
    """
    reader = TapReader(model, [tap])
    total: Tensor | None = None
    used = skipped = 0
    with without_parameter_gradients(model):
        for images in batches:
            scores = contributions(reader, images, tap)
            sound = scores.isfinite().flatten(1).all(1)
            summed = scores[sound].double().sum(0)
            total = summed if total is None else total + summed
            used += int(sound.sum())
            skipped += int((~sound).sum())
    if total is None or not used:
        raise UserError(f'the receptive field of {tap} expects images with finite gradients, got none of '
                        f'{skipped} images. Check the weights.')
    return ReceptiveField((total / used).cpu().numpy(), used, skipped)


def contributions(reader: TapReader, images: Tensor, tap: str) -> Tensor:
    """The contribution of each pixel of each image to the middle of a map.

    Args:
        reader: Reads the tap.
        images: (N, C, H, W).
        tap: The tap.

    Returns:
        (N, H, W): positive parts of the gradient, summed over the channels of the images.

    Raises:
        UserError: The tap reads no map, or gets no gradient.
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        read = expect_map(tap, reader(images)[tap])
        if not read.requires_grad or tap in reader.taps.detached:
            raise UserError(f'the receptive field expects a tap with a gradient, got {tap!r} without one. Tap a module '
                            'outside of torch.no_grad and reentrant checkpointing.')
        middle = F.relu(read[:, :, read.shape[2] // 2, read.shape[3] // 2]).sum()
        gradient, = torch.autograd.grad(middle, images)
    return F.relu(gradient).sum(1)


def contribution_matrix(scores: np.ndarray, log: bool = True) -> np.ndarray:
    """The scores as they are shown: ``log10(score + 1)``, divided by the largest value.

    Both authors' ``analyze_erf.py`` take the logarithm; SLaK's script for its figure does not.

    Args:
        scores: (H, W).
        log: Whether to take it.

    Returns:
        (H, W), from 0 to 1; zeros where there is no contribution at all.
    """
    shown = np.log10(scores + 1) if log else np.asarray(scores, dtype=float)
    largest = shown.max()
    return shown / largest if largest > 0 else np.zeros_like(shown)


def area_ratios(scores: np.ndarray, thresholds: Sequence[float] = THRESHOLDS, log: bool = True,
                reference: tuple[int, int] | None = None) -> dict[float, float]:
    """The share of the image that holds a share of the contribution.

    Around the middle, at (H // 2, W // 2), squares of the sides 3, 5, 7 … are tried; the first one that holds strictly
    more than the threshold counts. Both papers take the logarithm before (``log``). RepLKNet's script divides by the
    area of the image, SLaK's by 1024² whatever the size is (``reference=(1024, 1024)``); at the papers' 1024×1024 they
    agree.

    Args:
        scores: Contribution scores (H, W).
        thresholds: Shares of the contribution.
        log: Whether the shares are those of ``log10(score + 1)``. It is no share of the scores themselves: scores far
            below 1 stay in proportion, larger ones are flattened, so the ratio depends on the scale of the gradient.
        reference: Height and width of the area that ratios refer to; None takes those of the image.

    Returns:
        Threshold to ratio: NaN where even the largest square, of side about H - 1, holds less.
    """
    shown = contribution_matrix(scores, log)
    height, width = shown.shape
    rows, columns = reference or (height, width)
    inside = _shares(shown)
    ratios = {}
    for threshold in thresholds:
        above = np.flatnonzero(inside > threshold)
        side = 2 * (above[0] + 1) + 1 if len(above) else math.nan
        ratios[threshold] = float(side / rows * side / columns)
    return ratios


def _shares(shown: np.ndarray) -> np.ndarray:
    """The share of the sum in each centred square of side 3, 5, 7 …"""
    height, width = shown.shape
    table = np.zeros((height + 1, width + 1))  # sums of all that is above and left
    table[1:, 1:] = shown.cumsum(0).cumsum(1)
    if not table[-1, -1]:
        return np.zeros(0)
    half = np.arange(1, height // 2)
    top, left = height // 2 - half, np.maximum(width // 2 - half, 0)
    bottom, right = height // 2 + half + 1, np.minimum(width // 2 + half + 1, width)
    sums = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    return sums / table[-1, -1]
