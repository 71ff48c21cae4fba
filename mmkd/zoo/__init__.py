"""The model index: which models there are, where their weights are, and how they are read."""
from .index import find_checkpoint, model_index
from .loading import load_weights
from .safe_loading import load_safely_everywhere

__all__ = ['find_checkpoint', 'load_safely_everywhere', 'load_weights', 'model_index']
