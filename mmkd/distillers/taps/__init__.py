"""Taps: the places in a model where tensors are read.

``locations`` knows the places with a name of their own (stages, ``pre_logits``, ``logits``), ``plain`` those of modules
from elsewhere, ``huggingface`` those of vision models of ``transformers``, and ``stages`` finds the ends of stages;
``taps`` resolves the names of a recipe and hooks the modules; ``readings`` keeps what the hooks see in one pass.
"""
from .location import Location
from .locations import named_locations, reads_classes, stage_names
from .taps import Tapped, Taps, locate, token_grid

__all__ = ['Location', 'Tapped', 'Taps', 'locate', 'named_locations', 'reads_classes', 'stage_names', 'token_grid']
