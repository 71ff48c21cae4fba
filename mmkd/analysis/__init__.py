"""Functions that examine models; ``tools/analysis_tools`` wraps them."""
from .complexity import Complexity, count_complexity, count_layers, layer_flops
from .image_forward import forward_image, paper_shape
from .published import Published, published_complexity

__all__ = ['Complexity', 'Published', 'count_complexity', 'count_layers', 'forward_image', 'layer_flops',
           'paper_shape', 'published_complexity']
