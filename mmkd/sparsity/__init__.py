"""Sparse networks: how dense each layer is, and which of its weights are zero."""
from .densities import erk, prunable_weights, snip, uniform
from .masks import SparseMasks

__all__ = ['SparseMasks', 'erk', 'prunable_weights', 'snip', 'uniform']
