"""Terms: what a recipe compares.

``term`` is one of them; ``inferred`` what it tells its parts of the tensors, and ``service`` whether kept answers of a
teacher do for it.
"""
from .service import check_served
from .term import Term, term_config

__all__ = ['Term', 'check_served', 'term_config']
