"""The model index: which models there are, and where their weights are."""
from .index import find_checkpoint, model_index

__all__ = ['find_checkpoint', 'model_index']
