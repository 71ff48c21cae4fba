"""Losses on feature maps: one paper, one file, one class."""
from torch import nn

from mmkd.utils.modules import import_submodules

_classes = import_submodules(__name__, __path__, base=nn.Module)
globals().update(_classes)
__all__ = sorted(_classes)
