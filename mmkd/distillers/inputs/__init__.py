"""What the models of a recipe are given: images in each model's form, and labels as samples or as a tensor."""
from .images import (
    InputAdapter,
    as_size,
    fixed_input_size,
    image_channels,
    normalisation,
    padding_of,
    teacher_normalisation,
)
from .labels import Labels, check_labels, check_range, has_labels, indices_of, no_loss, samples_for, target_of
from .order import state_order
from .stated import stated_normalisation

__all__ = ['InputAdapter', 'Labels', 'as_size', 'check_labels', 'check_range', 'fixed_input_size', 'has_labels',
           'image_channels', 'indices_of', 'no_loss', 'normalisation', 'padding_of', 'samples_for', 'state_order',
           'stated_normalisation', 'target_of', 'teacher_normalisation']
