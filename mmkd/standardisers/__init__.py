"""Standardisations of a teacher's features, estimated once in training and frozen: a term's ``teacher_norm``."""
from torch import nn

from mmkd.utils.modules import import_submodules

_classes = import_submodules(__name__, __path__, base=nn.Module)
globals().update(_classes)
__all__ = sorted(_classes)
