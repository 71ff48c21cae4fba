"""Histograms of features and weights on common axes, with skewness and excess kurtosis."""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mmkd.distillers.taps import named_locations
from mmkd.utils import UserError

from .tap_reader import TapReader, stage_taps

WIDTHS = 5.0  # standard deviations on either side of the mean that are drawn


@dataclass(frozen=True)
class Moments:
    """What a histogram does not show.

    Args:
        number: How many values there are.
        mean: Their mean.
        std: Their standard deviation (over all of them, not of a sample).
        skewness: The third standardised moment: 0 if symmetric, positive with a longer tail to the right.
        kurtosis: The fourth, less 3: 0 for a normal distribution. Both are NaN where all values are the same.
        lowest: The lowest value.
        highest: The highest value.
    """
    number: int
    mean: float
    std: float
    skewness: float
    kurtosis: float
    lowest: float
    highest: float


class MomentSums:
    """Moments of values that come in parts, in float64.

    Powers are summed about the mean of the first part, so that a large mean costs no digits.
    """

    def __init__(self) -> None:
        self._number, self._shift = 0, 0.
        self._powers = np.zeros(4)
        self._lowest, self._highest = np.inf, -np.inf

    def add(self, values: Tensor) -> None:
        """Takes in values of any shape.

        Raises:
            UserError: Some are not finite.
        """
        values = values.detach().flatten().double()
        wrong = int((~values.isfinite()).sum())
        if wrong:
            raise UserError(f'a histogram expects finite values, got {wrong} of {len(values)} that are NaN or '
                            'infinite. Check the weights.')
        if not len(values):
            return
        if not self._number:
            self._shift = values.mean().item()
        self._number += len(values)
        self._lowest, self._highest = (choose(old, new.item()) for choose, old, new in (
            (min, self._lowest, values.min()), (max, self._highest, values.max())))
        centred, power = values - self._shift, torch.ones_like(values)
        for exponent in range(4):
            power = power * centred
            self._powers[exponent] += power.sum().item()

    def moments(self) -> Moments:
        """The moments of all values.

        Raises:
            UserError: There are none.
        """
        if not self._number:
            raise UserError('a histogram expects values, got none. Give images.')
        first, second, third, fourth = self._powers / self._number
        variance = max(second - first**2, 0.)
        # a constant is not told from rounding below this
        flat = variance <= 1e-14 * max(abs(self._shift), abs(self._highest - self._lowest))**2
        with np.errstate(divide='ignore', invalid='ignore'):
            skewness = (third - 3 * first * second + 2 * first**3) / variance**1.5
            kurtosis = (fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4) / variance**2 - 3
        return Moments(self._number, self._shift + first, variance**0.5, float('nan') if flat else float(skewness),
                       float('nan') if flat else float(kurtosis), self._lowest, self._highest)


def feature_moments(model: nn.Module, batches: Iterable[Tensor], taps: Sequence[str]) -> dict[str, Moments]:
    """The moments of what taps read.

    Args:
        model: The model, in eval mode.
        batches: Images (N, C, H, W), normalised as the model wants them.
        taps: The taps; ``NAME@input`` reads a module's input.

    Raises:
        UserError: A tap does not exist or reads no tensor, or there are no images.
    """
    reader, sums = TapReader(model, taps), {tap: MomentSums() for tap in taps}
    with torch.inference_mode():
        for images in batches:
            for tap, values in reader(images).items():
                sums[tap].add(values)
    return {tap: total.moments() for tap, total in sums.items()}


def feature_counts(model: nn.Module, batches: Iterable[Tensor], edges: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The histograms of what taps read.

    Args:
        model: The model, in eval mode.
        batches: The images of :func:`feature_moments`, once more.
        edges: Tap to the edges of its bins.
    """
    reader = TapReader(model, list(edges))
    counts = {tap: np.zeros(len(bins) - 1, dtype=np.int64) for tap, bins in edges.items()}
    with torch.inference_mode():
        for images in batches:
            for tap, values in reader(images).items():
                counts[tap] += count_values(values, edges[tap])
    return counts


def count_values(values: Tensor, edges: np.ndarray) -> np.ndarray:
    """How many values lie in each bin; those outside of all are in none."""
    return np.histogram(values.detach().flatten().double().cpu().numpy(), edges)[0]


def common_edges(moments: Sequence[Moments], bins: int = 80) -> np.ndarray:
    """Bins of one width for all that is compared.

    They reach from the lowest to the highest value, but no further than five standard deviations from the mean of any
    of them: a single outlier would leave the rest one bar.

    Args:
        moments: Of each distribution.
        bins: Their number.
    """
    low = min(max(m.lowest, m.mean - WIDTHS * m.std) for m in moments)
    high = max(min(m.highest, m.mean + WIDTHS * m.std) for m in moments)
    if not low < high:
        margin = max(abs(low), 1.) / 2
        low, high = low - margin, high + margin
    return np.linspace(low, high, bins + 1)


def mixing_layers(model: nn.Module) -> list[str]:
    """The last layer of each stage that mixes positions: the paths of the papers' histograms.

    It is the last depthwise convolution of the stage, else its last convolution larger than 1×1, else its last linear
    layer or convolution.

    Raises:
        UserError: The model has no stages that are known, or one without any such layer.
    """
    locations, modules = named_locations(model), dict(model.named_modules())
    found = []
    for stage in stage_taps(model):
        root = locations[stage].module
        inside = [(f'{root}.{name}', layer) for name, layer in modules[root].named_modules() if _has_weight(layer)]
        if not inside:
            raise UserError(f'{stage} expects a layer with weights, has none. Name the layers by --layers.')
        found.append(max(enumerate(inside), key=lambda entry: (_rank(entry[1][1]), entry[0]))[1][0])
    return found


def layer_weight(model: nn.Module, path: str) -> Tensor:
    """The weight of a layer.

    Raises:
        UserError: There is no such layer, or it has none.
    """
    layer = dict(model.named_modules()).get(path)
    weight = getattr(layer, 'weight', None)
    if not isinstance(weight, Tensor):
        what = 'it has none' if layer is not None else 'there is no such module'
        raise UserError(f'--layers expects layers with a weight, got {path!r}: {what}. mmkd taps MODEL --modules "*" '
                        'lists them.')
    return weight


def _has_weight(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d | nn.Linear)


def _rank(layer: nn.Module) -> int:
    if not isinstance(layer, nn.Conv2d) or max(layer.kernel_size) == 1:
        return 0
    return 2 if layer.groups == layer.in_channels > 1 else 1
