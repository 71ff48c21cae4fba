"""Terms: what a recipe compares. ``term`` is one of them; ``inferred`` what it tells its parts of the tensors."""
from .term import Term, term_config

__all__ = ['Term', 'term_config']
