"""Metrics that mmpretrain, mmdet and mmseg lack."""
from mmengine.evaluator import BaseMetric

from mmkd.utils.modules import import_submodules

_classes = import_submodules(__name__, __path__, base=BaseMetric)
globals().update(_classes)
__all__ = sorted(_classes)
