"""Converters of published checkpoints to the parameter names of mmkd and mmpretrain, one model family a module.

Each module has ``matches(weights)``, whether the names are its family's, and ``convert(weights)``, which returns the
state dict of an mmpretrain ``ImageClassifier`` (or of the detector or segmentor that the weights belong to).
"""
import pkgutil
from collections.abc import Collection, Mapping
from importlib import import_module
from types import ModuleType

from torch import Tensor


def converters() -> dict[str, ModuleType]:
    """Name to module of each family."""
    return {info.name: import_module(f'{__name__}.{info.name}') for info in pkgutil.iter_modules(__path__)}


def convert(weights: Mapping[str, Tensor],
            families: Collection[str] | None = None) -> tuple[dict[str, Tensor], str | None]:
    """Renames the parameters of a published checkpoint; leaves those of mmkd, mmpretrain, mmdet and mmseg alone.

    Args:
        weights: Parameter name to tensor.
        families: The families to consider; all if None.

    Returns:
        The same under new names, and the family; None if nothing was renamed.

    Raises:
        UserError: A name is not one of the family's.
    """
    for name, module in converters().items():
        if (families is None or name in families) and module.matches(weights):
            return module.convert(weights), name
    return dict(weights), None
