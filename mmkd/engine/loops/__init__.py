"""Loops that MMEngine lacks: validation without labels."""
from mmengine.runner.base_loop import BaseLoop

from mmkd.utils.modules import import_submodules

_classes = import_submodules(__name__, __path__, base=BaseLoop)
globals().update(_classes)
__all__ = sorted(_classes)
