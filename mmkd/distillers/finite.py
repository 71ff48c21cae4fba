"""Numbers that tell whether what a teacher gave is finite."""
from collections.abc import Iterator

import torch
from torch import Tensor

from .taps import Tapped


def tap_sums(tapped: Tapped) -> dict[str, Tensor]:
    """Sums each tap up in fp32: what is not finite anywhere has a sum that is not finite.

    Nothing is read from the device. Losses may hide a NaN (a relation loss leaves pairs without a direction out), so
    that their value does not tell.

    Args:
        tapped: Tap name to tensor, or to a list of tensors.

    Returns:
        Tap name to scalar; taps without floating-point tensors are left out.
    """
    sums = {name: [tensor.detach().sum(dtype=torch.float32) for tensor in _tensors(value)]
            for name, value in tapped.items()}
    return {name: sum(items[1:], items[0]) for name, items in sums.items() if items}


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
