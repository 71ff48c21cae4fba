"""Hooks that MMEngine lacks."""
from mmengine.hooks import Hook

from mmkd.utils.modules import import_submodules

_classes = import_submodules(__name__, __path__, base=Hook)
globals().update(_classes)
__all__ = sorted(_classes)
