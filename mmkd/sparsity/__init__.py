"""Sparse networks: how dense each layer is."""
from .densities import erk, prunable_weights, snip, uniform

__all__ = ['erk', 'prunable_weights', 'snip', 'uniform']
