"""Optimizer-wrapper constructors that MMEngine lacks."""
from mmengine.optim import DefaultOptimWrapperConstructor

from mmkd.utils.modules import import_submodules

_classes = import_submodules(__name__, __path__, base=DefaultOptimWrapperConstructor)
globals().update(_classes)
__all__ = sorted(_classes)
