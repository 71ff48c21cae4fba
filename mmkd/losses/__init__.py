"""Distillation losses: each compares student tensors with teacher tensors and sees nothing else."""
from . import feature, logit, relation

_classes = {name: getattr(part, name) for part in (logit, feature, relation) for name in part.__all__}
globals().update(_classes)
__all__ = sorted(_classes)
