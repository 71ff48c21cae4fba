"""Functions that examine models; ``tools/analysis_tools`` wraps them."""
from .complexity import Complexity, count_complexity, layer_flops

__all__ = ['Complexity', 'count_complexity', 'layer_flops']
