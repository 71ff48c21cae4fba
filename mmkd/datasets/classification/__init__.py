"""Registered data sets and transforms that mmpretrain lacks."""
from mmengine.dataset import BaseDataset

from mmkd.utils.modules import import_submodules

_classes = import_submodules(__name__, __path__, base=BaseDataset)
globals().update(_classes)
__all__ = sorted(_classes)
