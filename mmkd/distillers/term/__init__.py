"""Terms: what a recipe compares.

``term`` is one of them; ``inferred`` what it tells its parts of the tensors, and ``service`` whether kept answers of a
teacher do for it; ``examining`` what is wrong with its config alone; ``draws`` its random numbers.
"""
from .draws import draws_of_their_own
from .scores import check_scores
from .service import check_served
from .term import Term, term_config

__all__ = ['Term', 'check_scores', 'check_served', 'draws_of_their_own', 'term_config']
